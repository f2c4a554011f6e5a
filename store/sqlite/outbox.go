package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

const unpublishedSQL = `
SELECT ` + messageColumns + ` FROM outbox CROSS JOIN event_store USING (position)
WHERE position > 0
ORDER BY position LIMIT ?`

// Unpublished implements [store.Outbox].
func (s *Store) Unpublished(ctx context.Context, limit int) ([]store.Message, error) {
	rows, err := s.statements.unpublished.QueryContext(ctx, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	page, err := scanMessages(rows)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return page, nil
}

const dequeueSQL = `DELETE FROM outbox WHERE position IN (SELECT value FROM json_each(?))`

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, positions []int64) error {
	if len(positions) == 0 {
		return ctx.Err()
	}
	list, err := json.Marshal(positions)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.StmtContext(ctx, s.statements.dequeue).ExecContext(ctx, string(list)); err != nil {
			return fmt.Errorf("take %d messages off the outbox: %w", len(positions), err)
		}
		return nil
	})
}

const republishSQL = `
INSERT INTO outbox (position) SELECT position FROM event_store WHERE position > ?
ON CONFLICT (position) DO NOTHING`

// Republish implements [store.Outbox].
func (s *Store) Republish(ctx context.Context, after int64) (n int64, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, republishSQL, after)
		if err != nil {
			return fmt.Errorf("put messages after %d into the outbox: %w", after, err)
		}
		n, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
