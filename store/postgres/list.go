package postgres

import (
	"context"
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
	names, generations, err := idColumns(ids)
	if err != nil {
		return nil, time.Time{}, err
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
