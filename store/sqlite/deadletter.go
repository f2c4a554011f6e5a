package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

const (
	incarnationSQL     = `SELECT incarnation FROM inbox_incarnations WHERE consumer = ?`
	makeIncarnationSQL = `
INSERT INTO inbox_incarnations (consumer, incarnation) VALUES (?, lower(hex(randomblob(16)))) ON CONFLICT (consumer) DO NOTHING`
)

// Incarnation implements [store.Inbox].
func (s *Store) Incarnation(ctx context.Context, consumer string) (name string, err error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return "", err
	}
	err = s.db.QueryRowContext(ctx, incarnationSQL, consumer).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.write(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, makeIncarnationSQL, consumer); err != nil {
				return err
			}
			return tx.QueryRowContext(ctx, incarnationSQL, consumer).Scan(&name)
		})
	}
	if err != nil {
		return "", fmt.Errorf("read the incarnation of %s: %w", consumer, err)
	}
	return name, nil
}

const rememberSQL = `
INSERT INTO inbox_keys (consumer, category, source, event_id, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (consumer, category, source, event_id) DO NOTHING`

// Remember implements [store.Inbox].
func (s *Store) Remember(ctx context.Context, tx *sql.Tx, consumer string, keys []store.EventKey) ([]bool, error) {
	if err := checkWrite(ctx, tx, consumer); err != nil {
		return nil, err
	}
	fresh := make([]bool, len(keys))
	now := time.Now().UnixMicro()
	for i, k := range keys {
		result, err := tx.StmtContext(ctx, s.statements.remember).ExecContext(ctx, consumer, k.Category, k.Source, k.ID, now)
		if err != nil {
			return nil, fmt.Errorf("remember events of %s: %w", consumer, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return nil, fmt.Errorf("remember events of %s: %w", consumer, err)
		}
		fresh[i] = n == 1
	}
	return fresh, nil
}

const forgetOlderSQL = `
DELETE FROM inbox_keys WHERE consumer = ?1 AND (category, source, event_id) IN (
	SELECT category, source, event_id FROM inbox_keys WHERE consumer = ?1 AND at < ?2 LIMIT ?3 + 0
)`

// ForgetOlder implements [store.Inbox].
func (s *Store) ForgetOlder(ctx context.Context, consumer string, age time.Duration, limit int) (int64, error) {
	return s.change(ctx, consumer, forgetOlderSQL, time.Now().Add(-age).UnixMicro(), max(limit, 0))
}

// change runs a statement in a transaction of its own and returns how many rows
// it changed.
func (s *Store) change(ctx context.Context, consumer, statement string, more ...any) (n int64, err error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return 0, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, append([]any{consumer}, more...)...)
		if err != nil {
			return fmt.Errorf("clean up the inbox of %s: %w", consumer, err)
		}
		n, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

const addLetterSQL = `
INSERT INTO dead_letters (consumer, position, category, stream_id, version,
	event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata,
	source, broker_id, sequence, header, size, error, reason, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// AddDeadLetter implements [store.DeadLetters].
func (s *Store) AddDeadLetter(ctx context.Context, tx *sql.Tx, l store.DeadLetter) error {
	if err := checkWrite(ctx, tx, l.Consumer); err != nil {
		return err
	}
	m := &l.Message
	event, err := eventValues(&m.Event)
	if err != nil {
		return fmt.Errorf("encode metadata of event %s: %w", m.ID, err)
	}
	header, err := json.Marshal(l.Header)
	if err != nil {
		return fmt.Errorf("encode the headers of message %s: %w", l.BrokerID, err)
	}
	values := append([]any{l.Consumer, m.Position, m.Stream.Category, m.Stream.ID, m.Version}, event...)
	values = append(values, l.Source, l.BrokerID, int64(l.Sequence), string(header), l.Size, l.Error, l.Reason, time.Now().UnixMicro())
	if _, err := tx.ExecContext(ctx, addLetterSQL, values...); err != nil {
		return fmt.Errorf("keep message %s as a dead letter of %s: %w", l.BrokerID, l.Consumer, err)
	}
	return nil
}

const listLettersSQL = `
SELECT ` + messageColumns + `, id, consumer, source, broker_id, sequence, header, size, error, reason, at FROM dead_letters
WHERE consumer = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3 + 0`

// ListDeadLetters implements [store.DeadLetters].
func (s *Store) ListDeadLetters(ctx context.Context, consumer string, before int64, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, listLettersSQL, consumer, before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("list the dead letters of %s: %w", consumer, err)
	}
	defer rows.Close()
	var letters []store.DeadLetter
	for rows.Next() {
		var l store.DeadLetter
		var sequence, at int64
		var header []byte
		if err := scanMessage(rows, &l.Message, &l.ID, &l.Consumer, &l.Source, &l.BrokerID, &sequence, &header, &l.Size, &l.Error, &l.Reason, &at); err != nil {
			return nil, fmt.Errorf("list the dead letters of %s: %w", consumer, err)
		}
		if err := json.Unmarshal(header, &l.Header); err != nil {
			return nil, fmt.Errorf("headers of dead letter %d: %w", l.ID, err)
		}
		l.Sequence, l.At = uint64(sequence), time.UnixMicro(at).UTC()
		letters = append(letters, l)
	}
	return letters, rows.Err()
}

const trimLettersSQL = `
DELETE FROM dead_letters WHERE id IN (
	SELECT id FROM dead_letters WHERE consumer = ?1 AND reason = '' ORDER BY id DESC LIMIT -1 OFFSET ?2
)`

// TrimDeadLetters implements [store.DeadLetters].
func (s *Store) TrimDeadLetters(ctx context.Context, consumer string, newest int) (int64, error) {
	return s.change(ctx, consumer, trimLettersSQL, max(newest, 0))
}
