package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

const lastSQL = `SELECT coalesce(max(position), 0) FROM event_store`

const unpublishedSQL = `
SELECT ` + eventColumns + `, attempts
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
	scanner := scanEvents(rows, &m.Attempts)
	for rows.Next() {
		if m.Message, err = scanner.next(); err != nil {
			return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
		}
		page = append(page, m)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
	}
	if err := s.previous(ctx, page); err != nil {
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

// CROSS JOIN keeps the order of the two: a look-up in the log for each of the list.
const previousSQL = `
SELECT l.key, e.event_id FROM json_each(?) AS l
CROSS JOIN event_store AS e ON e.category = l.value ->> 0 AND e.stream_id = l.value ->> 1 AND e.version = l.value ->> 2`

// previous sets the IDs of the events before those of a page. Most are in the page
// when there is much to publish, and a look-up is a third of what a message costs.
func (s *Store) previous(ctx context.Context, page []store.Outgoing) error {
	last := make(map[store.Stream]int) // in the page
	var others []int
	var keys [][3]any
	for i := range page {
		m := &page[i]
		if before, ok := last[m.Stream]; ok && page[before].Version == m.Version-1 {
			m.Previous = page[before].ID
		} else if m.Version > 1 {
			others, keys = append(others, i), append(keys, [3]any{m.Stream.Category, m.Stream.ID, m.Version - 1})
		}
		last[m.Stream] = i
	}
	if len(keys) == 0 {
		return nil
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	rows, err := s.statements.previous.QueryContext(ctx, string(list))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		var id string
		if err := rows.Scan(&i, &id); err != nil {
			return err
		}
		page[others[i]].Previous = id
	}
	return rows.Err()
}
