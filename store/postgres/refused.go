package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const refuseSQL = `
UPDATE {schema}.outbox AS o SET refused_category = e.category, refused_stream_id = e.stream_id, error = $2,
	attempts = o.attempts + 1, refused_at = clock_timestamp(), retry_at = clock_timestamp() + $3 * interval '1 microsecond'
FROM {schema}.event_store AS e
WHERE o.position = $1 AND e.position = $1`

// Refuse implements [store.Outbox].
func (s *Store) Refuse(ctx context.Context, position int64, reason string, pause time.Duration) error {
	if _, err := s.pool.Exec(ctx, s.statements.refuse, position, reason, pause.Microseconds()); err != nil {
		return fmt.Errorf("note that position %d is refused: %w", position, err)
	}
	return nil
}

const readmitSQL = `
WITH back AS (
	UPDATE {schema}.outbox SET error = NULL
	WHERE error IS NOT NULL AND ($1 OR retry_at <= clock_timestamp())
	RETURNING position
)
SELECT coalesce(min(position), 0) FROM back`

// Readmit implements [store.Outbox].
func (s *Store) Readmit(ctx context.Context, all bool) (first int64, err error) {
	if err := s.pool.QueryRow(ctx, s.statements.readmit, all).Scan(&first); err != nil {
		return 0, fmt.Errorf("readmit refused messages: %w", err)
	}
	return first, nil
}

// Whatever the planner thinks of the few rows that are refused, they are read by
// their own index, which is small, and not by the whole outbox.
const refusedSQL = `
WITH r AS MATERIALIZED (
	SELECT position, error, attempts, refused_at, retry_at FROM {schema}.outbox WHERE error IS NOT NULL
)
SELECT m.*, r.error, r.attempts, r.refused_at, r.retry_at FROM r CROSS JOIN LATERAL (
	SELECT ` + eventColumns + ` FROM {schema}.event_store AS e WHERE e.position = r.position OFFSET 0
) AS m
WHERE r.position > $1
ORDER BY r.position LIMIT $2`

// Refused implements [store.Outbox].
func (s *Store) Refused(ctx context.Context, after int64, limit int) ([]store.Refused, error) {
	rows, err := s.pool.Query(ctx, s.statements.refused, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read refused messages: %w", s.damaged(err))
	}
	page, err := pgx.CollectRows(rows, func(pgx.CollectableRow) (r store.Refused, err error) {
		err = scanEvent(rows, &r.Message, &r.Error, &r.Attempts, &r.Since, &r.RetryAt)
		r.Since, r.RetryAt = r.Since.UTC(), r.RetryAt.UTC()
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("read refused messages: %w", s.damaged(err))
	}
	return page, nil
}
