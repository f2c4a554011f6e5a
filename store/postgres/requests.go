package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const addRequestSQL = `
INSERT INTO {schema}.consumer_requests (consumer, generation, action, category, stream_id, segments, new_name, reason, actor, asked_at, outcome)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), '')
RETURNING id`

// AddRequest implements [store.Requests].
func (s *Store) AddRequest(ctx context.Context, r store.Request) (int64, error) {
	if err := store.CheckRequest(r); err != nil {
		return 0, err
	}
	var id int64
	if err := s.pool.QueryRow(ctx, s.statements.addRequest, r.Consumer.Name, int64(r.Consumer.Generation), string(r.Action),
		r.Stream.Category, r.Stream.ID, int64(r.Segments), r.NewName, r.Reason, r.Actor).Scan(&id); err != nil {
		return 0, fmt.Errorf("add a request to %s %s: %w", r.Action, r.Consumer.Name, err)
	}
	return id, nil
}

const requestColumns = `id, consumer, generation, action, category, stream_id, segments, new_name, reason, actor, asked_at, done_at, outcome`

// scanRequests reads rows of requestColumns.
func scanRequests(rows pgx.Rows, err error) ([]store.Request, error) {
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]store.Request(nil), rows, func(row pgx.CollectableRow) (r store.Request, err error) {
		var done *time.Time
		err = row.Scan(&r.ID, &r.Consumer.Name, &r.Consumer.Generation, &r.Action, &r.Stream.Category, &r.Stream.ID, &r.Segments, &r.NewName,
			&r.Reason, &r.Actor, &r.AskedAt, &done, &r.Outcome)
		r.AskedAt, r.DoneAt = r.AskedAt.UTC(), zeroTime(done)
		return r, err
	})
}

const pendingRequestsSQL = `
SELECT ` + requestColumns + ` FROM {schema}.consumer_requests
WHERE consumer = $1 AND generation = $2 AND done_at IS NULL ORDER BY id`

// PendingRequests implements [store.Requests].
func (s *Store) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	pending, err := scanRequests(s.pool.Query(ctx, s.statements.pendingRequests, id.Name, int64(id.Generation)))
	if err != nil {
		return nil, fmt.Errorf("read the pending requests of %s: %w", id.Name, err)
	}
	return pending, nil
}

const finishRequestSQL = `
UPDATE {schema}.consumer_requests SET done_at = clock_timestamp(), outcome = $2 WHERE id = $1 AND done_at IS NULL`

// FinishRequest implements [store.Requests].
func (s *Store) FinishRequest(ctx context.Context, tx pgx.Tx, id int64, outcome string) (bool, error) {
	tag, err := tx.Exec(ctx, s.statements.finishRequest, id, anyText(outcome))
	if err != nil {
		return false, fmt.Errorf("finish request %d: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}

const (
	listRequestsSQL   = `SELECT ` + requestColumns + ` FROM {schema}.consumer_requests WHERE id < $1 ORDER BY id DESC LIMIT $2`
	listRequestsOfSQL = `SELECT ` + requestColumns + ` FROM {schema}.consumer_requests WHERE id < $1 AND consumer = $3 ORDER BY id DESC LIMIT $2`
)

// ListRequests implements [store.Requests].
func (s *Store) ListRequests(ctx context.Context, name string, before int64, limit int) ([]store.Request, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	statement, args := s.statements.listRequests, []any{before, max(limit, 0)}
	if name != "" {
		if err := store.CheckConsumer(name); err != nil {
			return nil, err
		}
		statement, args = s.statements.listRequestsOf, append(args, name)
	}
	page, err := scanRequests(s.pool.Query(ctx, statement, args...))
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	return page, nil
}
