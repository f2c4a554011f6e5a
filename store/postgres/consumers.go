package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

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

// lockParkedStreamsSQL is for who needs the segments as well: the parked streams
// come before them, as they do in the transaction of a batch, and in the order of
// findParkedSQL, so that the two do not deadlock.
const lockParkedStreamsSQL = `
SELECT FROM {schema}.parked_streams WHERE consumer = $1 AND generation = $2 ORDER BY category, stream_id FOR UPDATE`

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
