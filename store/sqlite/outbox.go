package sqlite

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

const lastSQL = `SELECT coalesce(max(position), 0) FROM event_store`

const unpublishedSQL = `
SELECT ` + eventColumns + `, coalesce((
		SELECT p.event_id FROM event_store AS p
		WHERE p.category = e.category AND p.stream_id = e.stream_id AND p.version = e.version - 1), ''), attempts
FROM outbox CROSS JOIN event_store AS e USING (position)
WHERE position > max(?, 0) AND error IS NULL AND (
	NOT (SELECT EXISTS (SELECT 1 FROM outbox WHERE error IS NOT NULL)) OR (
	SELECT r.position FROM outbox AS r
	WHERE r.error IS NOT NULL AND r.refused_category = e.category AND r.refused_stream_id = e.stream_id AND r.position < e.position
	LIMIT 1) IS NULL)
ORDER BY position LIMIT ? + 0`

// Unpublished implements [store.Outbox].
func (s *Store) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	after = max(after, 0)
	if limit < 1 {
		return nil, after, ctx.Err()
	}
	// Before the page: what commits in between is in the page or behind it.
	var last int64
	if err := s.statements.last.QueryRowContext(ctx).Scan(&last); err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
	}
	rows, err := s.statements.unpublished.QueryContext(ctx, after, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
	}
	defer rows.Close()
	var page []store.Outgoing
	var m store.Outgoing
	scanner := scanEvents(rows, &m.Previous, &m.Attempts)
	for rows.Next() {
		if m.Message, err = scanner.next(); err != nil {
			return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
		}
		page = append(page, m)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
	}
	next := after
	if len(page) > 0 {
		next = page[len(page)-1].Position
	}
	if len(page) < limit {
		next = max(next, last)
	}
	return page, next, nil
}
