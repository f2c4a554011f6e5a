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

const setQueueSQL = `
INSERT INTO inbox_queues (consumer, category, stream_id, version, reason, error, attempts, next_try, since)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = excluded.version, reason = excluded.reason,
	error = excluded.error, attempts = excluded.attempts, next_try = excluded.next_try`

// SetQueue implements [store.Queues].
func (s *Store) SetQueue(ctx context.Context, tx *sql.Tx, q store.Queue, retryAfter time.Duration) error {
	if err := checkWrite(ctx, tx, q.Consumer); err != nil {
		return err
	}
	now := time.Now()
	if _, err := tx.ExecContext(ctx, setQueueSQL, q.Consumer, q.Stream.Category, q.Stream.ID, q.Version, string(q.Reason),
		q.Error, q.Attempts, now.Add(retryAfter).UnixMicro(), now.UnixMicro()); err != nil {
		return fmt.Errorf("set the queue of %s for %s: %w", q.Stream, q.Consumer, err)
	}
	return nil
}

// queueColumns are what scanQueue reads.
const queueColumns = `q.consumer, q.category, q.stream_id, q.version, q.reason, q.error, q.attempts, q.next_try, q.since,
	(SELECT count(*) FROM inbox_messages AS m
		WHERE m.consumer = q.consumer AND m.category = q.category AND m.stream_id = q.stream_id),
	coalesce((SELECT max(m.version) FROM inbox_messages AS m
		WHERE m.consumer = q.consumer AND m.category = q.category AND m.stream_id = q.stream_id), 0)`

func scanQueue(row interface{ Scan(...any) error }) (q store.Queue, err error) {
	var nextTry, since int64
	err = row.Scan(&q.Consumer, &q.Stream.Category, &q.Stream.ID, &q.Version, &q.Reason, &q.Error, &q.Attempts, &nextTry, &since,
		&q.Messages, &q.Last)
	q.NextTry, q.Since = time.UnixMicro(nextTry).UTC(), time.UnixMicro(since).UTC()
	q.Due = !q.NextTry.After(time.Now())
	return q, err
}

const findQueueSQL = `
SELECT ` + queueColumns + ` FROM inbox_queues AS q
WHERE q.consumer = ? AND q.category = ? AND q.stream_id = ?`

// FindQueue implements [store.Queues].
func (s *Store) FindQueue(ctx context.Context, tx *sql.Tx, consumer string, stream store.Stream) (store.Queue, bool, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return store.Queue{}, false, err
	}
	q, err := scanQueue(tx.QueryRowContext(ctx, findQueueSQL, consumer, stream.Category, stream.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return store.Queue{}, false, nil
	}
	if err != nil {
		return store.Queue{}, false, fmt.Errorf("read the queue of %s for %s: %w", stream, consumer, err)
	}
	return q, true, nil
}

const (
	deleteQueueSQL    = `DELETE FROM inbox_queues WHERE consumer = ? AND category = ? AND stream_id = ?`
	deleteMessagesSQL = `DELETE FROM inbox_messages WHERE consumer = ? AND category = ? AND stream_id = ? AND version <= ?`
)

// DeleteQueue implements [store.Queues].
func (s *Store) DeleteQueue(ctx context.Context, tx *sql.Tx, consumer string, stream store.Stream) error {
	if err := s.Dequeue(ctx, tx, consumer, stream, 1<<63-1); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, deleteQueueSQL, consumer, stream.Category, stream.ID); err != nil {
		return fmt.Errorf("delete the queue of %s for %s: %w", stream, consumer, err)
	}
	return nil
}

const enqueueMessageSQL = `
INSERT INTO inbox_messages (consumer, position, category, stream_id, version,
	event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, source, previous)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (consumer, category, stream_id, version, event_id) DO NOTHING`

// Enqueue implements [store.Queues].
func (s *Store) Enqueue(ctx context.Context, tx *sql.Tx, consumer string, messages []store.QueuedMessage) error {
	if err := checkWrite(ctx, tx, consumer); err != nil {
		return err
	}
	for i := range messages {
		m := &messages[i]
		event, err := eventValues(&m.Event)
		if err != nil {
			return fmt.Errorf("encode metadata of event %s: %w", m.ID, err)
		}
		values := append([]any{consumer, m.Position, m.Stream.Category, m.Stream.ID, m.Version}, event...)
		if _, err := tx.StmtContext(ctx, s.statements.enqueueMessage).ExecContext(ctx, append(values, m.Source, m.Previous)...); err != nil {
			return fmt.Errorf("queue version %d of %s for %s: %w", m.Version, m.Stream, consumer, err)
		}
	}
	return nil
}

const queuedSQL = `
SELECT ` + messageColumns + `, source, previous FROM inbox_messages
WHERE consumer = ? AND category = ? AND stream_id = ?
ORDER BY version, event_id LIMIT ? + 0`

// Queued implements [store.Queues].
func (s *Store) Queued(ctx context.Context, tx *sql.Tx, consumer string, stream store.Stream, limit int) ([]store.QueuedMessage, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, queuedSQL, consumer, stream.Category, stream.ID, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read the queue of %s for %s: %w", stream, consumer, err)
	}
	defer rows.Close()
	var queued []store.QueuedMessage
	for rows.Next() {
		var m store.QueuedMessage
		if err := scanMessage(rows, &m.Message, &m.Source, &m.Previous); err != nil {
			return nil, fmt.Errorf("read the queue of %s for %s: %w", stream, consumer, err)
		}
		queued = append(queued, m)
	}
	return queued, rows.Err()
}

// Dequeue implements [store.Queues].
func (s *Store) Dequeue(ctx context.Context, tx *sql.Tx, consumer string, stream store.Stream, version int64) error {
	if err := checkWrite(ctx, tx, consumer); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, deleteMessagesSQL, consumer, stream.Category, stream.ID, version); err != nil {
		return fmt.Errorf("remove messages up to version %d from the queue of %s for %s: %w", version, stream, consumer, err)
	}
	return nil
}

const dueQueuesSQL = `
SELECT ` + queueColumns + ` FROM inbox_queues AS q
WHERE q.consumer = ?1 AND q.category IN (SELECT value FROM json_each(?2)) AND q.reason IN ('waiting', 'unknown') AND q.next_try <= ?3
ORDER BY q.next_try, q.category, q.stream_id LIMIT ?4 + 0`

// DueQueues implements [store.Queues].
func (s *Store) DueQueues(ctx context.Context, consumer string, categories []string, limit int) ([]store.Queue, error) {
	return s.selectQueues(ctx, dueQueuesSQL, consumer, list(categories), time.Now().UnixMicro(), max(limit, 0))
}

// The binary collation of the columns is the byte order that is asked for.
const listQueuesSQL = `
SELECT ` + queueColumns + ` FROM inbox_queues AS q
WHERE q.consumer = ? AND (q.category, q.stream_id) > (?, ?)
ORDER BY q.category, q.stream_id LIMIT ? + 0`

// ListQueues implements [store.Queues].
func (s *Store) ListQueues(ctx context.Context, consumer string, after store.Stream, limit int) ([]store.Queue, error) {
	return s.selectQueues(ctx, listQueuesSQL, consumer, after.Category, after.ID, max(limit, 0))
}

const orphanQueuesSQL = `
SELECT ` + queueColumns + ` FROM inbox_queues AS q
WHERE q.consumer = ?1 AND q.category IN (SELECT value FROM json_each(?2)) AND q.reason = 'gap' AND q.version = 1
ORDER BY q.since DESC, q.category, q.stream_id LIMIT ?4 + 0 OFFSET ?3`

// OrphanQueues implements [store.Queues].
func (s *Store) OrphanQueues(ctx context.Context, consumer string, categories []string, spared, limit int) ([]store.Queue, error) {
	return s.selectQueues(ctx, orphanQueuesSQL, consumer, list(categories), max(spared, 0), max(limit, 0))
}

func (s *Store) selectQueues(ctx context.Context, statement, consumer string, more ...any) ([]store.Queue, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, statement, append([]any{consumer}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("list the queues of %s: %w", consumer, err)
	}
	defer rows.Close()
	var queues []store.Queue
	for rows.Next() {
		q, err := scanQueue(rows)
		if err != nil {
			return nil, fmt.Errorf("list the queues of %s: %w", consumer, err)
		}
		queues = append(queues, q)
	}
	return queues, rows.Err()
}

// The row without a reason counts the messages.
const countQueuesSQL = `
SELECT reason, count(*), min(since) FROM inbox_queues
WHERE consumer = ?1 AND category IN (SELECT value FROM json_each(?2)) GROUP BY reason
UNION ALL
SELECT '', count(*), 0 FROM inbox_messages WHERE consumer = ?1 AND category IN (SELECT value FROM json_each(?2))`

// CountQueues implements [store.Queues].
func (s *Store) CountQueues(ctx context.Context, consumer string, categories []string) (store.QueueCounts, error) {
	counts := store.QueueCounts{Streams: make(map[store.Reason]int64)}
	if err := store.CheckConsumer(consumer); err != nil {
		return counts, err
	}
	rows, err := s.db.QueryContext(ctx, countQueuesSQL, consumer, list(categories))
	if err != nil {
		return counts, fmt.Errorf("count the queues of %s: %w", consumer, err)
	}
	defer rows.Close()
	for rows.Next() {
		var reason store.Reason
		var n, since int64
		if err := rows.Scan(&reason, &n, &since); err != nil {
			return counts, fmt.Errorf("count the queues of %s: %w", consumer, err)
		}
		if reason == "" {
			counts.Messages = n
			continue
		}
		counts.Streams[reason] = n
		if oldest := time.UnixMicro(since).UTC(); counts.Oldest.IsZero() || oldest.Before(counts.Oldest) {
			counts.Oldest = oldest
		}
	}
	return counts, rows.Err()
}

// list returns names as a JSON array.
func list(names []string) string {
	if names == nil {
		names = []string{}
	}
	text, err := json.Marshal(names)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(text)
}
