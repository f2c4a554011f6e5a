package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

const refuseSQL = `
UPDATE outbox SET refused_category = e.category, refused_stream_id = e.stream_id, error = ?2,
	attempts = attempts + 1, refused_at = ?3, retry_at = ?4
FROM event_store AS e
WHERE outbox.position = ?1 AND e.position = ?1`

// Refuse implements [store.Outbox].
func (s *Store) Refuse(ctx context.Context, position int64, reason string, pause time.Duration) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		now := time.Now()
		if _, err := tx.ExecContext(ctx, refuseSQL, position, reason, now.UnixMicro(), now.Add(pause).UnixMicro()); err != nil {
			return fmt.Errorf("note that position %d is refused: %w", position, err)
		}
		return nil
	})
}

const (
	dueSQL     = `SELECT coalesce(min(position), 0) FROM outbox INDEXED BY outbox_refused WHERE error IS NOT NULL AND (?1 OR retry_at <= ?2)`
	readmitSQL = `UPDATE outbox INDEXED BY outbox_refused SET error = NULL WHERE error IS NOT NULL AND (?1 OR retry_at <= ?2)`
)

// Readmit implements [store.Outbox]. Where nothing is due it does not write.
func (s *Store) Readmit(ctx context.Context, all bool) (first int64, err error) {
	now := time.Now().UnixMicro()
	if err := s.checkOutside(ctx); err != nil {
		return 0, err
	}
	if err := s.db.QueryRowContext(ctx, dueSQL, all, now).Scan(&first); err != nil || first == 0 {
		return 0, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, dueSQL, all, now).Scan(&first); err != nil {
			return fmt.Errorf("readmit refused messages: %w", err)
		}
		if _, err := tx.ExecContext(ctx, readmitSQL, all, now); err != nil {
			return fmt.Errorf("readmit refused messages: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return first, nil
}

const refusedSQL = `
SELECT ` + eventColumns + `, error, attempts, refused_at, retry_at
FROM outbox INDEXED BY outbox_refused CROSS JOIN event_store USING (position)
WHERE error IS NOT NULL AND position > ?
ORDER BY position LIMIT ? + 0`

// Refused implements [store.Outbox].
func (s *Store) Refused(ctx context.Context, after int64, limit int) ([]store.Refused, error) {
	rows, err := s.db.QueryContext(ctx, refusedSQL, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read refused messages: %w", s.damaged(err))
	}
	defer rows.Close()
	var page []store.Refused
	var r store.Refused
	var since, retryAt int64
	scanner := scanEvents(rows, &r.Error, &r.Attempts, &since, &retryAt)
	for rows.Next() {
		if r.Message, err = scanner.next(); err != nil {
			return nil, fmt.Errorf("read refused messages: %w", s.damaged(err))
		}
		r.Since, r.RetryAt = time.UnixMicro(since).UTC(), time.UnixMicro(retryAt).UTC()
		page = append(page, r)
	}
	return page, rows.Err()
}
