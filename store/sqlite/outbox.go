package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

const lastSQL = `SELECT coalesce(max(position), 0) FROM event_store`

const unpublishedSQL = `
SELECT ` + messageColumns + `, coalesce((
		SELECT p.event_id FROM event_store AS p
		WHERE p.category = e.category AND p.stream_id = e.stream_id AND p.version = e.version - 1), ''), attempts
FROM outbox CROSS JOIN event_store AS e USING (position)
WHERE position > max(?, 0) AND error IS NULL AND (
	NOT (SELECT EXISTS (SELECT 1 FROM outbox WHERE error IS NOT NULL)) OR (
	SELECT r.position FROM outbox AS r
	WHERE r.error IS NOT NULL AND r.refused_category = e.category AND r.refused_stream_id = e.stream_id AND r.position < e.position
	LIMIT 1) IS NULL)
ORDER BY position LIMIT ?`

// Unpublished implements [store.Outbox].
func (s *Store) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	after = max(after, 0)
	if limit < 1 {
		return nil, after, ctx.Err()
	}
	// Before the page: what commits in between is in the page or behind it.
	var last int64
	if err := s.statements.last.QueryRowContext(ctx).Scan(&last); err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", err)
	}
	rows, err := s.statements.unpublished.QueryContext(ctx, after, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close()
	var page []store.Outgoing
	for rows.Next() {
		var m store.Outgoing
		if err := scanMessage(rows, &m.Message, &m.Previous, &m.Attempts); err != nil {
			return nil, 0, fmt.Errorf("read the outbox: %w", err)
		}
		page = append(page, m)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read the outbox: %w", err)
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

const dequeueSQL = `DELETE FROM outbox WHERE position IN (SELECT value FROM json_each(?))`

const keepSQL = `
INSERT INTO published (place, topic, position, event_id, token, floor, confirmed_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (place) DO UPDATE SET topic = excluded.topic, position = excluded.position, event_id = excluded.event_id,
	token = excluded.token, floor = excluded.floor, confirmed_at = excluded.confirmed_at`

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	if len(positions) == 0 && len(last) == 0 {
		return ctx.Err()
	}
	if positions == nil {
		positions = []int64{}
	}
	list, err := json.Marshal(positions)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.StmtContext(ctx, s.statements.dequeue).ExecContext(ctx, string(list)); err != nil {
			return fmt.Errorf("take %d messages off the outbox: %w", len(positions), err)
		}
		now := time.Now().UnixMicro()
		for _, l := range last {
			if _, err := tx.StmtContext(ctx, s.statements.keep).ExecContext(ctx, l.Place, l.Topic, l.Position, l.EventID, l.Token, l.Floor, now); err != nil {
				return fmt.Errorf("keep what was published last at %s: %w", l.Place, err)
			}
		}
		return nil
	})
}

// Published implements [store.Outbox].
func (s *Store) Published(ctx context.Context) ([]store.Published, error) {
	rows, err := s.db.QueryContext(ctx, `
		SELECT place, topic, position, event_id, token, floor, confirmed_at FROM published ORDER BY place`)
	if err != nil {
		return nil, fmt.Errorf("read what was published last: %w", err)
	}
	defer rows.Close()
	var all []store.Published
	for rows.Next() {
		var p store.Published
		var at int64
		if err := rows.Scan(&p.Place, &p.Topic, &p.Position, &p.EventID, &p.Token, &p.Floor, &at); err != nil {
			return nil, fmt.Errorf("read what was published last: %w", err)
		}
		p.Time = time.UnixMicro(at).UTC()
		all = append(all, p)
	}
	return all, rows.Err()
}
