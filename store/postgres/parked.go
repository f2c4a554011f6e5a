package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const setParkedSQL = `
INSERT INTO {schema}.parked_streams (consumer, generation, category, stream_id, hash, version, position, event_id,
	reason, error, attempts, next_try, since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12 * interval '1 microsecond', clock_timestamp())
ON CONFLICT (consumer, generation, category, stream_id) DO UPDATE
SET hash = excluded.hash, version = excluded.version, position = excluded.position, event_id = excluded.event_id,
	reason = excluded.reason, error = excluded.error, attempts = excluded.attempts,
	next_try = clock_timestamp() + $12 * interval '1 microsecond'`

// SetParked implements [store.ParkedStreams].
func (s *Store) SetParked(ctx context.Context, tx pgx.Tx, p store.Parked, retryAfter time.Duration) error {
	if err := store.CheckConsumerID(p.Consumer); err != nil {
		return err
	}
	if err := p.Stream.Check(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.setParked, p.Consumer.Name, int64(p.Consumer.Generation), p.Stream.Category, p.Stream.ID,
		int64(p.Hash), p.Version, p.Position, p.EventID, string(p.Reason), anyText(p.Error), int64(p.Attempts),
		retryAfter.Microseconds()); err != nil {
		return fmt.Errorf("park %s of %s: %w", p.Stream, p.Consumer.Name, err)
	}
	return nil
}

const deleteParkedSQL = `
DELETE FROM {schema}.parked_streams WHERE consumer = $1 AND generation = $2 AND category = $3 AND stream_id = $4`

// DeleteParked implements [store.ParkedStreams].
func (s *Store) DeleteParked(ctx context.Context, tx pgx.Tx, id store.ConsumerID, stream store.Stream) error {
	if err := store.CheckConsumerID(id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.deleteParked, id.Name, int64(id.Generation), stream.Category, stream.ID); err != nil {
		return fmt.Errorf("unpark %s of %s: %w", stream, id.Name, err)
	}
	return nil
}

const parkedColumns = `consumer, generation, category, stream_id, hash, version, position, event_id, reason, error, attempts, next_try, since`

// scanParked reads rows of parkedColumns.
func scanParked(rows pgx.Rows, err error) ([]store.Parked, error) {
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]store.Parked(nil), rows, func(row pgx.CollectableRow) (p store.Parked, err error) {
		err = row.Scan(&p.Consumer.Name, &p.Consumer.Generation, &p.Stream.Category, &p.Stream.ID, &p.Hash, &p.Version, &p.Position,
			&p.EventID, &p.Reason, &p.Error, &p.Attempts, &p.NextTry, &p.Since)
		p.NextTry, p.Since = p.NextTry.UTC(), p.Since.UTC()
		return p, err
	})
}

// The order keeps two calls from deadlocking.
const findParkedSQL = `
SELECT ` + parkedColumns + ` FROM {schema}.parked_streams
WHERE consumer = $1 AND generation = $2 AND (category, stream_id) IN (SELECT * FROM unnest($3::text[], $4::text[]))
ORDER BY category, stream_id
FOR UPDATE`

// FindParked implements [store.ParkedStreams].
func (s *Store) FindParked(ctx context.Context, tx pgx.Tx, id store.ConsumerID, streams []store.Stream) ([]store.Parked, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, ctx.Err()
	}
	categories, ids := make([]string, len(streams)), make([]string, len(streams))
	for i, stream := range streams {
		categories[i], ids[i] = stream.Category, stream.ID
	}
	found, err := scanParked(tx.Query(ctx, s.statements.findParked, id.Name, int64(id.Generation), categories, ids))
	if err != nil {
		return nil, fmt.Errorf("find parked streams of %s: %w", id.Name, err)
	}
	return found, nil
}

// The reasons are those of [store.Reason.Retries], and of the index.
const dueParkedSQL = `
SELECT ` + parkedColumns + ` FROM {schema}.parked_streams
WHERE consumer = $1 AND generation = $2 AND reason IN ('waiting', 'unknown') AND next_try <= statement_timestamp()
	AND hash % $4 = $3
ORDER BY next_try LIMIT $5`

// DueParked implements [store.ParkedStreams].
func (s *Store) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	due, err := scanParked(s.pool.Query(ctx, s.statements.dueParked, id.Name, int64(id.Generation), int64(segment), int64(segments), max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("read the parked streams of %s that are due: %w", id.Name, err)
	}
	return due, nil
}

const listParkedSQL = `
SELECT ` + parkedColumns + ` FROM {schema}.parked_streams
WHERE consumer = $1 AND generation = $2 AND (category, stream_id) > ($3, $4)
ORDER BY category, stream_id LIMIT $5`

// ListParked implements [store.ParkedStreams].
func (s *Store) ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	page, err := scanParked(s.pool.Query(ctx, s.statements.listParked, id.Name, int64(id.Generation), after.Category, after.ID, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("list parked streams of %s: %w", id.Name, err)
	}
	return page, nil
}

const (
	countParkedSQL = `
SELECT id.name, id.generation, p.*
FROM unnest($1::text[], $2::bigint[]) AS id (name, generation) CROSS JOIN LATERAL (
	SELECT reason, count(*), min(since) FROM {schema}.parked_streams
	WHERE consumer = id.name AND generation = id.generation
	GROUP BY reason
) AS p`
	countAllParkedSQL = `
SELECT consumer, generation, reason, count(*), min(since) FROM {schema}.parked_streams GROUP BY consumer, generation, reason`
)

// CountParked implements [store.ParkedStreams].
func (s *Store) CountParked(ctx context.Context, ids ...store.ConsumerID) (map[store.ConsumerID]map[store.Reason]store.ParkedCount, error) {
	names, generations, err := idColumns(ids)
	if err != nil {
		return nil, err
	}
	counts := make(map[store.ConsumerID]map[store.Reason]store.ParkedCount)
	query, args := s.statements.countParked, []any{names, generations}
	if len(ids) == 0 {
		query, args = s.statements.countAllParked, nil
	}
	rows, err := s.pool.Query(ctx, query, args...)
	if err == nil {
		var id store.ConsumerID
		var reason store.Reason
		var c store.ParkedCount
		_, err = pgx.ForEachRow(rows, []any{&id.Name, &id.Generation, &reason, &c.Streams, &c.Oldest}, func() error {
			if counts[id] == nil {
				counts[id] = make(map[store.Reason]store.ParkedCount)
			}
			c.Oldest = c.Oldest.UTC()
			counts[id][reason] = c
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("count parked streams: %w", err)
	}
	return counts, nil
}

// idColumns returns the names and generations of checked ids.
func idColumns(ids []store.ConsumerID) (names []string, generations []int64, err error) {
	names, generations = make([]string, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, nil, err
		}
		names[i], generations[i] = id.Name, int64(id.Generation)
	}
	return names, generations, nil
}

const (
	redriveParkedSQL = `
UPDATE {schema}.parked_streams SET reason = 'waiting', attempts = 0, next_try = clock_timestamp()
WHERE consumer = $1 AND generation = $2 AND category = $3 AND stream_id = $4`

	// The rows are locked before, in the order of findParkedSQL, by a statement of
	// its own: a plan for both in one could join each row with each.
	redriveAllParkedSQL = `
UPDATE {schema}.parked_streams SET reason = 'waiting', attempts = 0, next_try = clock_timestamp()
WHERE consumer = $1 AND generation = $2 AND reason <> 'forked'`
)

// RedriveParked implements [store.ParkedStreams].
func (s *Store) RedriveParked(ctx context.Context, tx pgx.Tx, id store.ConsumerID, stream store.Stream) (n int64, err error) {
	if err := store.CheckConsumerID(id); err != nil {
		return 0, err
	}
	batch := &pgx.Batch{}
	statement, args := s.statements.redriveParked, []any{id.Name, int64(id.Generation), stream.Category, stream.ID}
	if stream == (store.Stream{}) {
		statement, args = s.statements.redriveAllParked, args[:2]
		batch.Queue(s.statements.lockParkedStreams, args...)
	}
	batch.Queue(statement, args...).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return 0, fmt.Errorf("redrive parked streams of %s: %w", id.Name, err)
	}
	return n, nil
}

const (
	retriedParked = `consumer = $1 AND generation = $2 AND hash % $4 = $3
	AND (reason = 'unknown' OR reason = 'waiting' AND next_try > clock_timestamp() + $5 * interval '1 microsecond')`

	lockRetriedParkedSQL = `
SELECT FROM {schema}.parked_streams WHERE ` + retriedParked + ` ORDER BY category, stream_id FOR UPDATE`
	retryParkedSQL = `
UPDATE {schema}.parked_streams SET next_try = clock_timestamp() WHERE ` + retriedParked
)

// RetryParked implements [store.ParkedStreams], in one round trip. It locks the
// rows in the order of findParkedSQL.
func (s *Store) RetryParked(ctx context.Context, tx pgx.Tx, id store.ConsumerID, segment, segments int, longest time.Duration) (n int64, err error) {
	if err := store.CheckConsumerID(id); err != nil {
		return 0, err
	}
	args := []any{id.Name, int64(id.Generation), int64(segment), int64(segments), longest.Microseconds()}
	batch := &pgx.Batch{}
	batch.Queue(s.statements.lockRetriedParked, args...)
	batch.Queue(s.statements.retryParked, args...).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return 0, fmt.Errorf("retry parked streams of %s: %w", id.Name, err)
	}
	return n, nil
}
