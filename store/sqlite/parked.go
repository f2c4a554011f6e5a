package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

const setParkedSQL = `
INSERT INTO parked_streams (name, generation, category, stream_id,
	hash, version, position, event_id, reason, error, attempts, next_try, since)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name, generation, category, stream_id) DO UPDATE
SET hash = excluded.hash, version = excluded.version, position = excluded.position, event_id = excluded.event_id,
	reason = excluded.reason, error = excluded.error, attempts = excluded.attempts, next_try = excluded.next_try`

// SetParked implements [store.ParkedStreams]. SQLite carries any text.
func (s *Store) SetParked(ctx context.Context, tx *sql.Tx, p store.Parked, retryAfter time.Duration) error {
	if err := checkConsumer(ctx, tx, p.Consumer); err != nil {
		return err
	}
	if err := p.Stream.Check(); err != nil {
		return err
	}
	at := now()
	if _, err := tx.StmtContext(ctx, s.statements.setParked).ExecContext(ctx,
		p.Consumer.Name, p.Consumer.Generation, p.Stream.Category, p.Stream.ID,
		p.Hash, p.Version, p.Position, p.EventID, p.Reason, p.Error, p.Attempts,
		at.Add(retryAfter).UnixMicro(), at.UnixMicro()); err != nil {
		return fmt.Errorf("park %s for %s: %w", p.Stream, describe(p.Consumer), err)
	}
	return nil
}

const deleteParkedSQL = `
DELETE FROM parked_streams WHERE name = ? AND generation = ? AND category = ? AND stream_id = ?`

// DeleteParked implements [store.ParkedStreams].
func (s *Store) DeleteParked(ctx context.Context, tx *sql.Tx, id store.ConsumerID, stream store.Stream) error {
	if err := checkConsumer(ctx, tx, id); err != nil {
		return err
	}
	if _, err := tx.StmtContext(ctx, s.statements.deleteParked).ExecContext(ctx,
		id.Name, id.Generation, stream.Category, stream.ID); err != nil {
		return fmt.Errorf("unpark %s for %s: %w", stream, describe(id), err)
	}
	return nil
}

// parkedColumns are what scanParked reads.
const parkedColumns = `name, generation, category, stream_id,
	hash, version, position, event_id, reason, error, attempts, next_try, since`

const findParkedSQL = `
SELECT ` + parkedColumns + ` FROM parked_streams
WHERE name = ?1 AND generation = ?2 AND (category, stream_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))`

// FindParked implements [store.ParkedStreams]. Its locks are the write lock that
// tx holds.
func (s *Store) FindParked(ctx context.Context, tx *sql.Tx, id store.ConsumerID, streams []store.Stream) ([]store.Parked, error) {
	if err := checkConsumer(ctx, tx, id); err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, nil
	}
	found, err := scanParked(tx.StmtContext(ctx, s.statements.findParked).QueryContext(ctx, id.Name, id.Generation, streamsJSON(streams)))
	if err != nil {
		return nil, fmt.Errorf("find parked streams of %s: %w", describe(id), err)
	}
	return found, nil
}

// The condition on reason is that of the index parked_streams_due.
const dueParkedSQL = `
SELECT ` + parkedColumns + ` FROM parked_streams
WHERE name = ?1 AND generation = ?2 AND reason IN ('waiting', 'unknown') AND next_try <= ?3 AND hash % ?4 = ?5
ORDER BY next_try LIMIT ?6 + 0`

// DueParked implements [store.ParkedStreams].
func (s *Store) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	due, err := scanParked(s.statements.dueParked.QueryContext(ctx,
		id.Name, id.Generation, now().UnixMicro(), segments, segment, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("read due streams of %s: %w", describe(id), err)
	}
	return due, nil
}

// The binary collation of the columns is the byte order that is asked for.
const listParkedSQL = `
SELECT ` + parkedColumns + ` FROM parked_streams
WHERE name = ? AND generation = ? AND (category, stream_id) > (?, ?)
ORDER BY category, stream_id LIMIT ? + 0`

// ListParked implements [store.ParkedStreams].
func (s *Store) ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	page, err := scanParked(s.db.QueryContext(ctx, listParkedSQL, id.Name, id.Generation, after.Category, after.ID, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("list parked streams of %s: %w", describe(id), err)
	}
	return page, nil
}

func scanParked(rows *sql.Rows, err error) ([]store.Parked, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []store.Parked
	for rows.Next() {
		var p store.Parked
		var nextTry, since int64
		if err := rows.Scan(&p.Consumer.Name, &p.Consumer.Generation, &p.Stream.Category, &p.Stream.ID,
			&p.Hash, &p.Version, &p.Position, &p.EventID, &p.Reason, &p.Error, &p.Attempts, &nextTry, &since); err != nil {
			return nil, err
		}
		p.NextTry, p.Since = fromMicros(nextTry), fromMicros(since)
		all = append(all, p)
	}
	return all, rows.Err()
}

const (
	countParkedSQL = `
SELECT p.name, p.generation, p.reason, count(*), min(p.since)
FROM json_each(?) AS id CROSS JOIN parked_streams AS p
WHERE p.name = id.value ->> 0 AND p.generation = id.value ->> 1
GROUP BY p.name, p.generation, p.reason`
	countAllParkedSQL = `
SELECT name, generation, reason, count(*), min(since) FROM parked_streams GROUP BY name, generation, reason`
)

// CountParked implements [store.ParkedStreams].
func (s *Store) CountParked(ctx context.Context, ids ...store.ConsumerID) (map[store.ConsumerID]map[store.Reason]store.ParkedCount, error) {
	for _, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, err
		}
	}
	var rows *sql.Rows
	var err error
	if len(ids) == 0 {
		rows, err = s.db.QueryContext(ctx, countAllParkedSQL)
	} else {
		rows, err = s.statements.countParked.QueryContext(ctx, idsJSON(ids))
	}
	counts, err := scanCounts(rows, err)
	if err != nil {
		return nil, fmt.Errorf("count parked streams: %w", err)
	}
	return counts, nil
}

func scanCounts(rows *sql.Rows, err error) (map[store.ConsumerID]map[store.Reason]store.ParkedCount, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := make(map[store.ConsumerID]map[store.Reason]store.ParkedCount)
	for rows.Next() {
		var id store.ConsumerID
		var reason store.Reason
		var c store.ParkedCount
		var oldest int64
		if err := rows.Scan(&id.Name, &id.Generation, &reason, &c.Streams, &oldest); err != nil {
			return nil, err
		}
		if counts[id] == nil {
			counts[id] = make(map[store.Reason]store.ParkedCount)
		}
		c.Oldest = fromMicros(oldest)
		counts[id][reason] = c
	}
	return counts, rows.Err()
}

const (
	redriveOneSQL = `
UPDATE parked_streams SET reason = 'waiting', attempts = 0, next_try = ?3
WHERE name = ?1 AND generation = ?2 AND category = ?4 AND stream_id = ?5`
	redriveAllSQL = `
UPDATE parked_streams SET reason = 'waiting', attempts = 0, next_try = ?3
WHERE name = ?1 AND generation = ?2 AND reason <> 'forked'`
)

// RedriveParked implements [store.ParkedStreams].
func (s *Store) RedriveParked(ctx context.Context, tx *sql.Tx, id store.ConsumerID, stream store.Stream) (n int64, err error) {
	if err := checkConsumer(ctx, tx, id); err != nil {
		return 0, err
	}
	if stream == (store.Stream{}) {
		n, err = change(tx.ExecContext(ctx, redriveAllSQL, id.Name, id.Generation, now().UnixMicro()))
	} else {
		n, err = change(tx.ExecContext(ctx, redriveOneSQL, id.Name, id.Generation, now().UnixMicro(), stream.Category, stream.ID))
	}
	if err != nil {
		return 0, fmt.Errorf("redrive parked streams of %s: %w", describe(id), err)
	}
	return n, nil
}

const retryParkedSQL = `
UPDATE parked_streams SET next_try = ?3
WHERE name = ?1 AND generation = ?2 AND hash % ?4 = ?5 AND (reason = 'unknown' OR reason = 'waiting' AND next_try > ?6)`

// RetryParked implements [store.ParkedStreams].
func (s *Store) RetryParked(ctx context.Context, tx *sql.Tx, id store.ConsumerID, segment, segments int, longest time.Duration) (int64, error) {
	if err := checkConsumer(ctx, tx, id); err != nil {
		return 0, err
	}
	at := now()
	n, err := change(tx.ExecContext(ctx, retryParkedSQL, id.Name, id.Generation, at.UnixMicro(), segments, segment, at.Add(longest).UnixMicro()))
	if err != nil {
		return 0, fmt.Errorf("retry parked streams of %s: %w", describe(id), err)
	}
	return n, nil
}
