package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/eventus-go/eventus/store"
)

const readSQL = `
SELECT ` + streamColumns + ` FROM event_store
WHERE category = ? AND stream_id = ? AND version > ?
ORDER BY version LIMIT ? + 0`

// Read implements [store.Reader].
func (s *Store) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	return s.read(ctx, s.statements.read, stream, after, limit)
}

func (s *Store) read(ctx context.Context, statement *sql.Stmt, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	if err := stream.Check(); err != nil {
		return nil, err
	}
	// SQLite takes a negative limit for none.
	rows, err := statement.QueryContext(ctx, stream.Category, stream.ID, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, s.damaged(err))
	}
	page, err := scanStream(rows, stream).page()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, s.damaged(err))
	}
	return page, nil
}

const readAllSQL = `
SELECT ` + eventColumns + ` FROM event_store
WHERE position > ?
ORDER BY position LIMIT ? + 0`

// ReadAll implements [store.Log]. Positions are drawn by the one transaction
// that holds the database's write lock, so they are committed in their order.
func (s *Store) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	rows, err := s.statements.readAll.QueryContext(ctx, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read the log after %d: %w", after, s.damaged(err))
	}
	page, err := scanEvents(rows).page()
	if err != nil {
		return nil, fmt.Errorf("read the log after %d: %w", after, s.damaged(err))
	}
	return page, nil
}

// The first and the last message of the stretch come too, without their data if
// they are of another category. The column more is whether the log goes on behind
// the stretch. The plus signs keep SQLite from reading the whole category.
const readStretchSQL = `
WITH looked AS MATERIALIZED (
	SELECT min(position) AS first, max(position) AS last
	FROM (SELECT position FROM event_store WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?4 + 0)
)
SELECT position, category, stream_id, version, event_id, type, content_type,
	iif(category IN (SELECT value FROM json_each(?3)), data, x''), time, correlation_id, causation_id, actor, metadata,
	iif(category IN (SELECT value FROM json_each(?3)), checksum, NULL),
	EXISTS (SELECT 1 FROM event_store WHERE position > (SELECT last FROM looked) AND position <= ?2) AS more
FROM event_store
WHERE position >= (SELECT first FROM looked) AND position <= (SELECT last FROM looked)
	AND (+category IN (SELECT value FROM json_each(?3)) OR +position = (SELECT first FROM looked) OR +position = (SELECT last FROM looked))
ORDER BY position LIMIT ?5 + 1`

// ReadStretch implements [store.Log].
func (s *Store) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	if len(r.Categories) == 0 || r.Limit < 1 {
		return store.StretchOf(ctx, s.ReadAll, r)
	}
	stretch, err := s.readStretch(ctx, r)
	if err != nil {
		return store.Stretch{}, fmt.Errorf("read the log after %d: %w", r.After, s.damaged(err))
	}
	return stretch, nil
}

func (s *Store) readStretch(ctx context.Context, r store.Range) (stretch store.Stretch, err error) {
	categories, err := json.Marshal(r.Categories)
	if err != nil {
		return stretch, err
	}
	upTo := r.UpTo
	if upTo <= 0 {
		upTo = math.MaxInt64
	}
	rows, err := s.statements.readStretch.QueryContext(ctx, r.After, upTo, string(categories), store.MaxStretch, r.Limit)
	if err != nil {
		return stretch, err
	}
	defer rows.Close()
	more := false
	scanner := scanEvents(rows, &more)
	for len(stretch.Messages) < r.Limit && rows.Next() {
		m, err := scanner.next()
		if err != nil {
			return stretch, err
		}
		stretch.Add(r, &m)
	}
	stretch.End = stretch.End || len(stretch.Messages) < r.Limit && !more
	return stretch, rows.Err()
}

const headSQL = `SELECT position, event_id, time FROM event_store ORDER BY position DESC LIMIT 1`

// Head implements [store.Log]. The log is always settled.
func (s *Store) Head(ctx context.Context) (store.Head, error) {
	head := store.Head{Settled: true}
	var at int64
	err := s.db.QueryRowContext(ctx, headSQL).Scan(&head.Position, &head.EventID, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return head, nil
	}
	if err != nil {
		return store.Head{}, fmt.Errorf("read the head of the log: %w", s.damaged(err))
	}
	head.Time = time.UnixMicro(at).UTC()
	return head, nil
}

const timesAfterSQL = `
SELECT p.key, (SELECT time FROM event_store WHERE position > p.value ORDER BY position LIMIT 1)
FROM json_each(?) AS p`

// TimesAfter implements [store.Log].
func (s *Store) TimesAfter(ctx context.Context, positions []int64) ([]time.Time, error) {
	if len(positions) == 0 {
		return nil, ctx.Err()
	}
	list, err := json.Marshal(positions)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, timesAfterSQL, string(list))
	if err != nil {
		return nil, fmt.Errorf("read times of the log: %w", err)
	}
	defer rows.Close()
	times := make([]time.Time, len(positions))
	for rows.Next() {
		var i int
		var at sql.NullInt64
		if err := rows.Scan(&i, &at); err != nil {
			return nil, fmt.Errorf("read times of the log: %w", err)
		}
		if at.Valid {
			times[i] = time.UnixMicro(at.Int64).UTC()
		}
	}
	return times, rows.Err()
}
