package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/internal/positions"
	"github.com/eventus-go/eventus/store"
)

const (
	dequeueSQL      = `DELETE FROM outbox WHERE position IN (SELECT value FROM json_each(?))`
	dequeueRangeSQL = `DELETE FROM outbox WHERE position BETWEEN ? AND ?`
)

const keepSQL = `
INSERT INTO published (place, topic, position, message_id, token, floor, confirmed_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (place) DO UPDATE SET topic = excluded.topic, position = excluded.position, message_id = excluded.message_id,
	token = excluded.token, floor = excluded.floor, confirmed_at = excluded.confirmed_at`

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, published []int64, last []store.Published) error {
	if len(published) == 0 && len(last) == 0 {
		return ctx.Err()
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		if err := s.dequeue(ctx, tx, published); err != nil {
			return fmt.Errorf("take %d messages off the outbox: %w", len(published), err)
		}
		now := time.Now()
		for _, l := range last {
			_, err := tx.StmtContext(ctx, s.statements.keep).ExecContext(ctx, l.Place, l.Topic, l.Position, l.MessageID, l.Token, l.Floor, microsOr(l.Time, now))
			if err == nil && l.Checkpoints != nil {
				err = replaceCheckpoints(ctx, tx, l, now)
			}
			if err != nil {
				return fmt.Errorf("keep what was published last at %s: %w", l.Place, err)
			}
		}
		return nil
	})
}

// dequeue deletes consecutive positions by the first and the last, which costs a
// third of a list.
func (s *Store) dequeue(ctx context.Context, tx *sql.Tx, published []int64) error {
	if len(published) == 0 {
		return nil
	}
	if positions.Consecutive(published) {
		_, err := tx.StmtContext(ctx, s.statements.dequeueRange).ExecContext(ctx, published[0], published[len(published)-1])
		return err
	}
	list, err := json.Marshal(published)
	if err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, s.statements.dequeue).ExecContext(ctx, string(list))
	return err
}

func replaceCheckpoints(ctx context.Context, tx *sql.Tx, l store.Published, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM published_checkpoints WHERE place = ?`, l.Place); err != nil {
		return err
	}
	for i, c := range l.Checkpoints {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO published_checkpoints (place, ordinal, position, message_id, token, confirmed_at) VALUES (?, ?, ?, ?, ?, ?)`,
			l.Place, i, c.Position, c.MessageID, c.Token, microsOr(c.Time, now)); err != nil {
			return err
		}
	}
	return nil
}

func microsOr(t, now time.Time) int64 {
	if t.IsZero() {
		t = now
	}
	return t.UnixMicro()
}

// Published implements [store.Outbox].
func (s *Store) Published(ctx context.Context) ([]store.Published, error) {
	rows, err := s.db.QueryContext(ctx, `
		SELECT place, topic, p.position, p.message_id, p.token, floor, p.confirmed_at,
			coalesce(c.position, 0), coalesce(c.message_id, ''), coalesce(c.token, ''), c.confirmed_at
		FROM published AS p LEFT JOIN published_checkpoints AS c USING (place) ORDER BY place, ordinal`)
	if err != nil {
		return nil, fmt.Errorf("read what was published last: %w", err)
	}
	defer rows.Close()
	var all []store.Published
	for rows.Next() {
		var p store.Published
		var c store.Checkpoint
		var at int64
		var checkpointAt sql.NullInt64
		if err := rows.Scan(&p.Place, &p.Topic, &p.Position, &p.MessageID, &p.Token, &p.Floor, &at,
			&c.Position, &c.MessageID, &c.Token, &checkpointAt); err != nil {
			return nil, fmt.Errorf("read what was published last: %w", err)
		}
		if len(all) == 0 || all[len(all)-1].Place != p.Place {
			p.Time = time.UnixMicro(at).UTC()
			all = append(all, p)
		}
		if checkpointAt.Valid {
			c.Time = time.UnixMicro(checkpointAt.Int64).UTC()
			l := &all[len(all)-1]
			l.Checkpoints = append(l.Checkpoints, c)
		}
	}
	return all, rows.Err()
}
