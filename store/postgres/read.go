package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const readSQL = `
SELECT ` + eventColumns + ` FROM {schema}.event_store
WHERE category = $1 AND stream_id = $2 AND version > $3
ORDER BY version LIMIT $4`

// Read implements [store.Reader].
func (s *Store) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	return s.read(ctx, s.pool, stream, after, limit)
}

func (s *Store) read(ctx context.Context, db querier, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	if err := stream.Check(); err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, s.statements.read, stream.Category, stream.ID, after, max(limit, 0))
	page, err := scanMessages(limit, rows, err)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, s.damaged(err))
	}
	return page, nil
}

const readAllSQL = `
SELECT ` + eventColumns + ` FROM {schema}.event_store
WHERE position > $1
ORDER BY position LIMIT $2`

// ReadAll implements [store.Log].
//
// A page ends before a position that is missing and may still be committed.
// Where none is missing it is one query; see [Store.BlockedBy] for who can hold it
// back.
func (s *Store) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	after = max(after, 0)
	for {
		settled := s.head.settledUpTo() // before the snapshot of the page is taken
		rows, err := s.pool.Query(ctx, s.statements.readAll, after, max(limit, 0))
		page, err := scanMessages(limit, rows, err)
		if err != nil {
			return nil, fmt.Errorf("read the log after %d: %w", after, s.damaged(err))
		}
		if len(page) < limit && endOf(page, after) < settled {
			s.head.takeBack(settled) // an older log was put back
			continue
		}
		certain := uninterrupted(page, after, settled)
		if certain == len(page) {
			return page, nil
		}
		passed, err := s.passHole(ctx, page[certain].Position, page[certain].Position-1)
		if err != nil {
			return nil, fmt.Errorf("read the log after %d: %w", after, s.damaged(err))
		}
		if !passed {
			return page[:certain], nil
		}
	}
}

// The first and the last message that are looked at come too, without their data
// if they are of another category. N counts those that were looked at.
const readStretchSQL = `
SELECT position, category, stream_id, version, event_id, type, content_type, CASE WHEN category = ANY ($2) THEN data ELSE '' END AS data, time,
	correlation_id, causation_id, actor, metadata, CASE WHEN category = ANY ($2) THEN checksum END AS checksum, n
FROM (
	SELECT e.*, row_number() OVER log AS n, lead(position) OVER log IS NULL AS last
	FROM (SELECT ` + eventColumns + ` FROM {schema}.event_store WHERE position > $1 ORDER BY position LIMIT $3) AS e
	WINDOW log AS (ORDER BY position)
) AS m
WHERE n = 1 OR last OR category = ANY ($2)
ORDER BY position LIMIT $4`

// ReadStretch implements [store.Log].
//
// The server leaves out what is of other categories only where no position is
// missing that may still be committed. In all other cases, which are rare, the
// messages of all categories are fetched, as by [Store.ReadAll].
func (s *Store) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	r.After = max(r.After, 0)
	if len(r.Categories) > 0 && r.Limit > 0 {
		stretch, whole, err := s.readStretch(ctx, r)
		if err != nil {
			return store.Stretch{}, fmt.Errorf("read the log after %d: %w", r.After, s.damaged(err))
		}
		if whole {
			return stretch, nil
		}
	}
	return store.StretchOf(ctx, s.ReadAll, r)
}

// readStretch reports whether the stretch is whole: it has looked at every message
// that is or will be there.
func (s *Store) readStretch(ctx context.Context, r store.Range) (stretch store.Stretch, whole bool, err error) {
	look := int64(store.MaxStretch)
	if r.UpTo > 0 {
		look = min(look, r.UpTo-r.After) // more do not fit
	}
	if look < 1 {
		return stretch, false, nil
	}
	settled := s.head.settledUpTo() // before the snapshot of the stretch is taken
	rows, err := s.pool.Query(ctx, s.statements.readStretch, r.After, r.Categories, look, r.Limit+1)
	if err != nil {
		return stretch, false, err
	}
	defer rows.Close()
	var looked int64
	scan := newPageScanner(rows, &looked)
	for len(stretch.Messages) < r.Limit && rows.Next() {
		m := new(store.Message)
		if err := scan.next(m); err != nil {
			return stretch, false, err
		}
		stretch.Add(r, m)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return stretch, false, err
	}
	last := max(stretch.Last.Position, r.After)
	ended := len(stretch.Messages) < r.Limit && looked < look
	stretch.End = stretch.End || ended
	switch missing := last-r.After > looked; {
	case missing && last-1 > settled: // what is missing may still be committed
	case ended && last < settled: // an older log was put back, perhaps, which ReadAll finds out
	case r.UpTo > 0 && last > r.UpTo:
	default:
		whole = true
	}
	return stretch, whole, nil
}

// endOf returns the position of the last message of a page, or after.
func endOf(page []store.Message, after int64) int64 {
	if len(page) == 0 {
		return after
	}
	return page[len(page)-1].Position
}

// uninterrupted returns the number of messages before the first hole that is
// not settled.
func uninterrupted(page []store.Message, after, settled int64) int {
	for i := range page {
		position := page[i].Position
		if position > after+1 && position > settled+1 {
			return i
		}
		after = position
	}
	return len(page)
}

const logHeadSQL = `SELECT position, event_id, time FROM {schema}.event_store ORDER BY position DESC LIMIT 1`

// Head implements [store.Log]. It is settled when no transaction that has drawn
// a smaller position is open.
func (s *Store) Head(ctx context.Context) (store.Head, error) {
	var head store.Head
	err := s.pool.QueryRow(ctx, s.statements.logHead).Scan(&head.Position, &head.EventID, &head.Time)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return store.Head{}, fmt.Errorf("read the head of the log: %w", s.damaged(err))
	}
	head.Time = head.Time.UTC()
	if head.Settled, err = s.pass(ctx, head.Position+1); err != nil {
		return store.Head{}, fmt.Errorf("read the head of the log: %w", s.damaged(err))
	}
	return head, nil
}

const timesAfterSQL = `
SELECT (SELECT e.time FROM {schema}.event_store AS e WHERE e.position > p.position ORDER BY e.position LIMIT 1)
FROM unnest($1::bigint[]) WITH ORDINALITY AS p (position, k)
ORDER BY p.k`

// TimesAfter implements [store.Log].
func (s *Store) TimesAfter(ctx context.Context, positions []int64) ([]time.Time, error) {
	rows, err := s.pool.Query(ctx, s.statements.timesAfter, positions)
	if err != nil {
		return nil, fmt.Errorf("read times of the log: %w", err)
	}
	times, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (time.Time, error) {
		var at *time.Time
		if err := row.Scan(&at); err != nil || at == nil {
			return time.Time{}, err
		}
		return at.UTC(), nil
	})
	if err != nil {
		return nil, fmt.Errorf("read times of the log: %w", err)
	}
	return times, nil
}
