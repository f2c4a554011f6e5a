package postgres

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// OFFSET 0 keeps the event a look-up for each row of the outbox. A merge of the
// two tables, which the planner likes for a short outbox, walks over all that was
// ever published.
const unpublishedSQL = `
SELECT m.* FROM {schema}.outbox AS o CROSS JOIN LATERAL (
	SELECT ` + messageColumns + ` FROM {schema}.event_store AS e WHERE e.position = o.position OFFSET 0
) AS m
ORDER BY o.position LIMIT $1`

// Unpublished implements [store.Outbox].
func (s *Store) Unpublished(ctx context.Context, limit int) ([]store.Message, error) {
	page, err := scanMessages(s.pool.Query(ctx, s.statements.unpublished, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return page, nil
}

const dequeueSQL = `DELETE FROM {schema}.outbox WHERE position = ANY ($1::bigint[])`

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, positions []int64) error {
	if len(positions) == 0 {
		return ctx.Err()
	}
	if _, err := s.pool.Exec(ctx, s.statements.dequeue, positions); err != nil {
		return fmt.Errorf("take %d messages off the outbox: %w", len(positions), err)
	}
	return nil
}

const republishSQL = `
INSERT INTO {schema}.outbox (position) SELECT position FROM {schema}.event_store WHERE position > $1
ON CONFLICT (position) DO NOTHING`

// Republish implements [store.Outbox].
func (s *Store) Republish(ctx context.Context, after int64) (int64, error) {
	tag, err := s.pool.Exec(ctx, s.statements.republish, after)
	if err != nil {
		return 0, fmt.Errorf("put messages after %d into the outbox: %w", after, err)
	}
	return tag.RowsAffected(), nil
}
