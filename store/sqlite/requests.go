package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/eventus-go/eventus/store"
)

const addRequestSQL = `
INSERT INTO consumer_requests (name, generation, action, category, stream_id, segments, new_name, reason, actor, asked_at, outcome)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')`

// AddRequest implements [store.Requests]. With the context of a running
// [Store.InTx] it fails at once.
func (s *Store) AddRequest(ctx context.Context, r store.Request) (id int64, err error) {
	if err := store.CheckRequest(r); err != nil {
		return 0, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, addRequestSQL, r.Consumer.Name, r.Consumer.Generation, r.Action,
			r.Stream.Category, r.Stream.ID, r.Segments, r.NewName, r.Reason, r.Actor, now().UnixMicro())
		if err != nil {
			return err
		}
		id, err = result.LastInsertId()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("add the request to %s consumer %s: %w", r.Action, describe(r.Consumer), err)
	}
	return id, nil
}

// requestColumns are what scanRequests reads.
const requestColumns = `id, name, generation, action, category, stream_id, segments, new_name, reason, actor,
	asked_at, done_at, outcome`

const pendingRequestsSQL = `
SELECT ` + requestColumns + ` FROM consumer_requests
WHERE name = ? AND generation = ? AND done_at IS NULL
ORDER BY id`

// PendingRequests implements [store.Requests].
func (s *Store) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	pending, err := scanRequests(s.statements.pendingRequests.QueryContext(ctx, id.Name, id.Generation))
	if err != nil {
		return nil, fmt.Errorf("read requests to consumer %s: %w", describe(id), err)
	}
	return pending, nil
}

const finishRequestSQL = `UPDATE consumer_requests SET done_at = ?, outcome = ? WHERE id = ? AND done_at IS NULL`

// FinishRequest implements [store.Requests]. A second transaction that finishes
// the same request blocks because it needs the database's write lock.
func (s *Store) FinishRequest(ctx context.Context, tx *sql.Tx, id int64, outcome string) (bool, error) {
	if err := checkTx(ctx, tx); err != nil {
		return false, err
	}
	n, err := change(tx.ExecContext(ctx, finishRequestSQL, now().UnixMicro(), outcome, id))
	if err != nil {
		return false, fmt.Errorf("finish request %d: %w", id, err)
	}
	return n == 1, nil
}

const (
	listRequestsSQL = `
SELECT ` + requestColumns + ` FROM consumer_requests
WHERE id < ?1
ORDER BY id DESC LIMIT ?2 + 0`
	listRequestsOfSQL = `
SELECT ` + requestColumns + ` FROM consumer_requests
WHERE id < ?1 AND name = ?3
ORDER BY id DESC LIMIT ?2 + 0`
)

// ListRequests implements [store.Requests].
func (s *Store) ListRequests(ctx context.Context, name string, before int64, limit int) ([]store.Request, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	query, args := listRequestsSQL, []any{before, max(limit, 0)}
	if name != "" {
		if err := store.CheckConsumer(name); err != nil {
			return nil, err
		}
		query, args = listRequestsOfSQL, append(args, name)
	}
	page, err := scanRequests(s.db.QueryContext(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	return page, nil
}

func scanRequests(rows *sql.Rows, err error) ([]store.Request, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []store.Request
	for rows.Next() {
		var r store.Request
		var askedAt int64
		var doneAt sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Consumer.Name, &r.Consumer.Generation, &r.Action, &r.Stream.Category, &r.Stream.ID,
			&r.Segments, &r.NewName, &r.Reason, &r.Actor, &askedAt, &doneAt, &r.Outcome); err != nil {
			return nil, err
		}
		r.AskedAt = fromMicros(askedAt)
		if doneAt.Valid {
			r.DoneAt = fromMicros(doneAt.Int64)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
