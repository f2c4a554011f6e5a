package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// consumersSQL reads consumers, each with its segments and members, in one
// snapshot. The arrays are in the order of their subqueries.
const consumersSQL = `
SELECT c.name, c.generation, c.categories, c.start, c.created_at, c.paused, c.renamed_to, c.meet_at, c.next_segments, c.rebuild,
	s.positions, s.event_ids, s.trying, s.tries, s.forked, s.owners, s.epochs, s.leases, m.names, m.programs, m.untils
FROM {schema}.consumers AS c
CROSS JOIN LATERAL (
	SELECT array_agg(position) AS positions, array_agg(event_id) AS event_ids, array_agg(trying) AS trying, array_agg(tries) AS tries,
		array_agg(forked) AS forked, array_agg(owner) AS owners, array_agg(epoch) AS epochs, array_agg(lease_until) AS leases
	FROM (SELECT * FROM {schema}.consumer_segments WHERE consumer = c.name AND generation = c.generation ORDER BY segment) AS s
) AS s
CROSS JOIN LATERAL (
	SELECT array_agg(name) AS names, array_agg(program) AS programs, array_agg(until) AS untils
	FROM (SELECT * FROM {schema}.consumer_members WHERE consumer = c.name AND generation = c.generation ORDER BY name) AS m
) AS m`

// scanConsumers reads the columns of consumersSQL.
func scanConsumers(rows pgx.Rows) ([]store.Consumer, error) {
	var consumers []store.Consumer
	for rows.Next() {
		var c store.Consumer
		var created *time.Time
		var segments segmentColumns
		var members memberColumns
		if err := rows.Scan(&c.Name, &c.Generation, &c.Categories, &c.Start, &created, &c.Paused, &c.RenamedTo,
			&c.MeetAt, &c.NextSegments, &c.Rebuild,
			&segments.positions, &segments.eventIDs, &segments.trying, &segments.tries, &segments.forked,
			&segments.owners, &segments.epochs, &segments.leases,
			&members.names, &members.programs, &members.untils); err != nil {
			return nil, err
		}
		c.CreatedAt, c.Segments, c.Members = zeroTime(created), segments.rows(), members.rows()
		consumers = append(consumers, c)
	}
	return consumers, rows.Err()
}

const (
	allConsumersSQL  = consumersSQL + ` ORDER BY c.name, c.generation`
	someConsumersSQL = consumersSQL + `
WHERE (c.name, c.generation) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) ORDER BY c.name, c.generation`

	clockSQL = `SELECT clock_timestamp()`
)

// ListConsumers implements [store.Consumers], in one round trip.
func (s *Store) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	names, generations := make([]string, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, time.Time{}, err
		}
		names[i], generations[i] = id.Name, int64(id.Generation)
	}
	batch := &pgx.Batch{}
	if len(ids) == 0 {
		batch.Queue(s.statements.allConsumers)
	} else {
		batch.Queue(s.statements.someConsumers, names, generations)
	}
	consumers, now, err := readConsumers(ctx, s.pool, batch)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list consumers: %w", err)
	}
	return consumers, now, nil
}

// batcher is a pool or a transaction.
type batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// readConsumers sends a batch whose last statement is of consumersSQL, and asks
// for the time after it.
func readConsumers(ctx context.Context, db batcher, batch *pgx.Batch) (consumers []store.Consumer, now time.Time, err error) {
	batch.QueuedQueries[batch.Len()-1].Query(func(rows pgx.Rows) (err error) {
		consumers, err = scanConsumers(rows)
		return err
	})
	batch.Queue(clockSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	err = db.SendBatch(ctx, batch).Close()
	return consumers, now.UTC(), err
}

// The consumer comes first, then its segments in their order, so that two
// transactions that lock the same consumer do not deadlock.
const (
	lockConsumerSQL = `SELECT FROM {schema}.consumers WHERE name = $1 AND generation = $2 FOR UPDATE`
	lockSegmentsSQL = `SELECT FROM {schema}.consumer_segments WHERE consumer = $1 AND generation = $2 ORDER BY segment FOR UPDATE`
)

// LockConsumer implements [store.Consumers], in one round trip. What it returns
// is read by a statement of its own, because its snapshot must be younger than
// the locks.
func (s *Store) LockConsumer(ctx context.Context, tx pgx.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return store.Consumer{}, time.Time{}, err
	}
	batch := &pgx.Batch{}
	batch.Queue(s.statements.lockConsumer, id.Name, int64(id.Generation))
	batch.Queue(s.statements.lockSegments, id.Name, int64(id.Generation))
	batch.Queue(s.statements.someConsumers, []string{id.Name}, []int64{int64(id.Generation)})
	consumers, now, err := readConsumers(ctx, tx, batch)
	if err != nil {
		return store.Consumer{}, time.Time{}, fmt.Errorf("lock consumer %s: %w", id.Name, err)
	}
	if len(consumers) == 0 {
		return store.Consumer{}, time.Time{}, store.ErrNoConsumer
	}
	return consumers[0], now, nil
}

const createConsumerSQL = `
WITH created AS (
	INSERT INTO {schema}.consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
	ON CONFLICT (name, generation) DO NOTHING
	RETURNING name, generation
), segments AS (
	INSERT INTO {schema}.consumer_segments (consumer, generation, segment, position, event_id, trying, tries, forked, owner, epoch, lease_until)
	SELECT c.name, c.generation, s.k - 1, s.position, s.event_id, s.trying, s.tries, s.forked, s.owner, s.epoch, s.lease_until
	FROM created AS c, unnest($11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::bigint[], $18::timestamptz[])
		WITH ORDINALITY AS s (position, event_id, trying, tries, forked, owner, epoch, lease_until, k)
), members AS (
	INSERT INTO {schema}.consumer_members (consumer, generation, name, program, until)
	SELECT c.name, c.generation, m.name, m.program, m.until
	FROM created AS c, unnest($19::text[], $20::text[], $21::timestamptz[]) AS m (name, program, until)
)
SELECT count(*) FROM created`

// CreateConsumer implements [store.Consumers].
func (s *Store) CreateConsumer(ctx context.Context, tx pgx.Tx, c store.Consumer) (bool, error) {
	if err := store.CheckConsumerID(c.ConsumerID); err != nil {
		return false, err
	}
	var created int64
	if err := tx.QueryRow(ctx, s.statements.createConsumer, consumerArgs(c)...).Scan(&created); err != nil {
		return false, fmt.Errorf("create consumer %s: %w", c.Name, err)
	}
	return created == 1, nil
}

// A row that is as it should be is not written. One that is not must change in
// place: an Advance that waits for it fails when it is deleted.
const saveConsumerSQL = `
WITH saved AS (
	UPDATE {schema}.consumers
	SET categories = $3, start = $4, created_at = $5, paused = $6, renamed_to = $7, meet_at = $8, next_segments = $9, rebuild = $10
	WHERE name = $1 AND generation = $2
	RETURNING name, generation
), segments AS (
	INSERT INTO {schema}.consumer_segments AS old (consumer, generation, segment, position, event_id, trying, tries, forked, owner, epoch, lease_until)
	SELECT c.name, c.generation, s.k - 1, s.position, s.event_id, s.trying, s.tries, s.forked, s.owner, s.epoch, s.lease_until
	FROM saved AS c, unnest($11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::bigint[], $18::timestamptz[])
		WITH ORDINALITY AS s (position, event_id, trying, tries, forked, owner, epoch, lease_until, k)
	ON CONFLICT (consumer, generation, segment) DO UPDATE
	SET position = excluded.position, event_id = excluded.event_id, trying = excluded.trying, tries = excluded.tries,
		forked = excluded.forked, owner = excluded.owner, epoch = excluded.epoch, lease_until = excluded.lease_until
	WHERE (old.position, old.event_id, old.trying, old.tries, old.forked, old.owner, old.epoch, old.lease_until) IS DISTINCT FROM
		(excluded.position, excluded.event_id, excluded.trying, excluded.tries, excluded.forked, excluded.owner, excluded.epoch, excluded.lease_until)
), surplus AS (
	DELETE FROM {schema}.consumer_segments AS s USING saved AS c
	WHERE s.consumer = c.name AND s.generation = c.generation AND s.segment >= cardinality($11::bigint[])
), members AS (
	INSERT INTO {schema}.consumer_members AS old (consumer, generation, name, program, until)
	SELECT c.name, c.generation, m.name, m.program, m.until
	FROM saved AS c, unnest($19::text[], $20::text[], $21::timestamptz[]) AS m (name, program, until)
	ON CONFLICT (consumer, generation, name) DO UPDATE SET program = excluded.program, until = excluded.until
	WHERE (old.program, old.until) IS DISTINCT FROM (excluded.program, excluded.until)
), gone AS (
	DELETE FROM {schema}.consumer_members AS m USING saved AS c
	WHERE m.consumer = c.name AND m.generation = c.generation AND m.name <> ALL ($19::text[])
)
SELECT count(*) FROM saved`

// SaveConsumer implements [store.Consumers], in one statement.
func (s *Store) SaveConsumer(ctx context.Context, tx pgx.Tx, c store.Consumer) error {
	if err := store.CheckConsumerID(c.ConsumerID); err != nil {
		return err
	}
	var saved int64
	if err := tx.QueryRow(ctx, s.statements.saveConsumer, consumerArgs(c)...).Scan(&saved); err != nil {
		return fmt.Errorf("save consumer %s: %w", c.Name, err)
	}
	if saved == 0 {
		return store.ErrNoConsumer
	}
	return nil
}

// Advance compares with what the row has once it is free, because the row's lock
// is taken before the conditions are looked at for the last time.
const advanceSQL = `
UPDATE {schema}.consumer_segments
SET position = $6, event_id = $7, trying = $8, tries = $9, forked = $10, lease_until = clock_timestamp() + $11 * interval '1 microsecond'
WHERE consumer = $1 AND generation = $2 AND segment = $3 AND epoch = $4 AND position = $5`

// Advance implements [store.Consumers].
func (s *Store) Advance(ctx context.Context, tx pgx.Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	if err := store.CheckConsumerID(claim.Consumer); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, s.statements.advance, claim.Consumer.Name, int64(claim.Consumer.Generation), int64(claim.Segment), claim.Epoch,
		claim.Position, to.Position, to.EventID, to.Trying, int64(to.Tries), anyText(to.Forked), lease.Microseconds())
	if err != nil {
		return fmt.Errorf("advance segment %d of %s: %w", claim.Segment, claim.Consumer.Name, err)
	}
	if tag.RowsAffected() != 1 {
		return store.ErrClaimLost
	}
	return nil
}

// The parked streams come before the segments, as they do in the transaction of a
// batch. What somebody parked for a consumer that is gone makes room.
const (
	lockParkedSQL = `
SELECT FROM {schema}.parked_streams WHERE consumer = $1 AND generation = $2 ORDER BY category, stream_id FOR UPDATE`

	makeRoomSQL = `
DELETE FROM {schema}.parked_streams WHERE consumer = $1 AND generation = $2
	AND NOT EXISTS (SELECT FROM {schema}.consumers WHERE name = $1 AND generation = $2)`

	renameConsumerSQL = `
WITH renamed AS (
	INSERT INTO {schema}.consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
	SELECT $3::text, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild
	FROM {schema}.consumers WHERE name = $1 AND generation = $2
	ON CONFLICT (name, generation) DO NOTHING
	RETURNING name
), old AS (
	UPDATE {schema}.consumers SET renamed_to = r.name, paused = false, meet_at = 0, next_segments = 0, rebuild = 0
	FROM renamed AS r WHERE consumers.name = $1 AND generation = $2
), segments AS (
	UPDATE {schema}.consumer_segments SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
), members AS (
	UPDATE {schema}.consumer_members AS m SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
), parked AS (
	UPDATE {schema}.parked_streams SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
), requests AS (
	UPDATE {schema}.consumer_requests SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
)
SELECT EXISTS (SELECT FROM {schema}.consumers WHERE name = $1 AND generation = $2), EXISTS (SELECT FROM renamed)`
)

// RenameConsumer implements [store.Consumers], in one round trip.
func (s *Store) RenameConsumer(ctx context.Context, tx pgx.Tx, id store.ConsumerID, name string) error {
	if err := errors.Join(store.CheckConsumerID(id), store.CheckConsumer(name)); err != nil {
		return err
	}
	generation := int64(id.Generation)
	var found, renamed bool
	batch := &pgx.Batch{}
	batch.Queue(s.statements.lockConsumer, id.Name, generation)
	batch.Queue(s.statements.lockParkedStreams, id.Name, generation)
	batch.Queue(s.statements.lockSegments, id.Name, generation)
	batch.Queue(s.statements.makeRoom, name, generation)
	batch.Queue(s.statements.renameConsumer, id.Name, generation, name).QueryRow(func(row pgx.Row) error {
		return row.Scan(&found, &renamed)
	})
	switch err := tx.SendBatch(ctx, batch).Close(); {
	case err != nil:
		return fmt.Errorf("rename consumer %s to %s: %w", id.Name, name, err)
	case !found:
		return store.ErrNoConsumer
	case !renamed:
		return store.ErrConsumerExists
	}
	return nil
}

const (
	deleteParkedStreamsSQL = `DELETE FROM {schema}.parked_streams WHERE consumer = $1 AND generation = $2`
	deleteSegmentsSQL      = `DELETE FROM {schema}.consumer_segments WHERE consumer = $1 AND generation = $2`
	deleteMembersSQL       = `DELETE FROM {schema}.consumer_members WHERE consumer = $1 AND generation = $2`
	deleteConsumerSQL      = `DELETE FROM {schema}.consumers WHERE name = $1 AND generation = $2`
)

// DeleteConsumer implements [store.Consumers], in one round trip.
func (s *Store) DeleteConsumer(ctx context.Context, tx pgx.Tx, id store.ConsumerID) error {
	if err := store.CheckConsumerID(id); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, statement := range []string{
		s.statements.lockConsumer, s.statements.lockParkedStreams, s.statements.lockSegments,
		s.statements.deleteParkedStreams, s.statements.deleteSegments, s.statements.deleteMembers, s.statements.deleteConsumer,
	} {
		batch.Queue(statement, id.Name, int64(id.Generation))
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("delete consumer %s: %w", id.Name, err)
	}
	return nil
}
