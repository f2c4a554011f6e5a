package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const setQueueSQL = `
INSERT INTO {schema}.inbox_queues (consumer, category, stream_id, version, reason, error, attempts, next_try, since)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $8::bigint * interval '1 microsecond', clock_timestamp())
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = excluded.version, reason = excluded.reason,
	error = excluded.error, attempts = excluded.attempts, next_try = excluded.next_try`

// SetQueue implements [store.Queues].
func (s *Store) SetQueue(ctx context.Context, tx pgx.Tx, q store.Queue, retryAfter time.Duration) error {
	if err := store.CheckConsumer(q.Consumer); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.setQueue, q.Consumer, q.Stream.Category, q.Stream.ID, q.Version, string(q.Reason),
		anyText(q.Error), int64(q.Attempts), retryAfter.Microseconds()); err != nil {
		return fmt.Errorf("set the queue of %s for %s: %w", q.Stream, q.Consumer, err)
	}
	return nil
}

// queueColumns are what scanQueue reads.
const queueColumns = `q.consumer, q.category, q.stream_id, q.version, q.reason, q.error, q.attempts, q.next_try, q.since,
	q.next_try <= clock_timestamp(),
	(SELECT count(*) FROM {schema}.inbox_messages AS m
		WHERE m.consumer = q.consumer AND m.category = q.category AND m.stream_id = q.stream_id),
	coalesce((SELECT max(m.version) FROM {schema}.inbox_messages AS m
		WHERE m.consumer = q.consumer AND m.category = q.category AND m.stream_id = q.stream_id), 0)`

func scanQueue(row pgx.CollectableRow) (q store.Queue, err error) {
	err = row.Scan(&q.Consumer, &q.Stream.Category, &q.Stream.ID, &q.Version, &q.Reason, &q.Error, &q.Attempts, &q.NextTry, &q.Since,
		&q.Due, &q.Messages, &q.Last)
	q.NextTry, q.Since = q.NextTry.UTC(), q.Since.UTC()
	return q, err
}

const findQueueSQL = `
SELECT ` + queueColumns + ` FROM {schema}.inbox_queues AS q
WHERE q.consumer = $1 AND q.category = $2 AND q.stream_id = $3`

// FindQueue implements [store.Queues].
func (s *Store) FindQueue(ctx context.Context, tx pgx.Tx, consumer string, stream store.Stream) (store.Queue, bool, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return store.Queue{}, false, err
	}
	rows, err := tx.Query(ctx, s.statements.findQueue, consumer, stream.Category, stream.ID)
	if err == nil {
		var q store.Queue
		if q, err = pgx.CollectExactlyOneRow(rows, scanQueue); err == nil {
			return q, true, nil
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Queue{}, false, nil
	}
	return store.Queue{}, false, fmt.Errorf("read the queue of %s for %s: %w", stream, consumer, err)
}

const (
	deleteQueueSQL    = `DELETE FROM {schema}.inbox_queues WHERE consumer = $1 AND category = $2 AND stream_id = $3`
	deleteMessagesSQL = `DELETE FROM {schema}.inbox_messages WHERE consumer = $1 AND category = $2 AND stream_id = $3 AND version <= $4`
)

// DeleteQueue implements [store.Queues].
func (s *Store) DeleteQueue(ctx context.Context, tx pgx.Tx, consumer string, stream store.Stream) error {
	if err := s.Dequeue(ctx, tx, consumer, stream, 1<<63-1); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.deleteQueue, consumer, stream.Category, stream.ID); err != nil {
		return fmt.Errorf("delete the queue of %s for %s: %w", stream, consumer, err)
	}
	return nil
}

const enqueueSQL = `
INSERT INTO {schema}.inbox_messages (consumer, position, category, stream_id, version,
	event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, source, previous)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, nullif($14::text, '')::jsonb, $15, $16)
ON CONFLICT (consumer, category, stream_id, version, event_id) DO NOTHING`

// Enqueue implements [store.Queues], in one round trip.
func (s *Store) Enqueue(ctx context.Context, tx pgx.Tx, consumer string, messages []store.QueuedMessage) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	if len(messages) == 0 {
		return ctx.Err()
	}
	batch := &pgx.Batch{}
	for i := range messages {
		m := &messages[i]
		fields, err := fieldsJSON(&m.Event)
		if err != nil {
			return err
		}
		batch.Queue(s.statements.enqueueMessage, consumer, m.Position, m.Stream.Category, m.Stream.ID, m.Version,
			m.ID, m.Type, m.ContentType, bytea(m.Data), timestamp(m.Time),
			m.Metadata.CorrelationID, m.Metadata.CausationID, m.Metadata.Actor, fields, m.Source, m.Previous)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("queue %d messages for %s: %w", len(messages), consumer, err)
	}
	return nil
}

const queuedSQL = `
SELECT ` + messageColumns + `, source, previous FROM {schema}.inbox_messages
WHERE consumer = $1 AND category = $2 AND stream_id = $3
ORDER BY version, event_id LIMIT $4`

// Queued implements [store.Queues].
func (s *Store) Queued(ctx context.Context, tx pgx.Tx, consumer string, stream store.Stream, limit int) ([]store.QueuedMessage, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, s.statements.queued, consumer, stream.Category, stream.ID, max(limit, 0))
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
func (s *Store) Dequeue(ctx context.Context, tx pgx.Tx, consumer string, stream store.Stream, version int64) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.deleteMessages, consumer, stream.Category, stream.ID, version); err != nil {
		return fmt.Errorf("remove messages up to version %d from the queue of %s for %s: %w", version, stream, consumer, err)
	}
	return nil
}

const dueQueuesSQL = `
SELECT ` + queueColumns + ` FROM {schema}.inbox_queues AS q
WHERE q.consumer = $1 AND q.category = ANY ($2::text[]) AND q.reason IN ('waiting', 'unknown') AND q.next_try <= clock_timestamp()
ORDER BY q.next_try, q.category, q.stream_id LIMIT $3`

// DueQueues implements [store.Queues].
func (s *Store) DueQueues(ctx context.Context, consumer string, categories []string, limit int) ([]store.Queue, error) {
	return s.listQueues(ctx, s.statements.dueQueues, consumer, categories, max(limit, 0))
}

const listQueuesSQL = `
SELECT ` + queueColumns + ` FROM {schema}.inbox_queues AS q
WHERE q.consumer = $1 AND (q.category, q.stream_id) > ($2, $3)
ORDER BY q.category, q.stream_id LIMIT $4`

// ListQueues implements [store.Queues].
func (s *Store) ListQueues(ctx context.Context, consumer string, after store.Stream, limit int) ([]store.Queue, error) {
	return s.listQueues(ctx, s.statements.listQueues, consumer, after.Category, after.ID, max(limit, 0))
}

const orphanQueuesSQL = `
SELECT ` + queueColumns + ` FROM {schema}.inbox_queues AS q
WHERE q.consumer = $1 AND q.category = ANY ($2::text[]) AND q.reason = 'gap' AND q.version = 1
ORDER BY q.since DESC, q.category, q.stream_id OFFSET $3 LIMIT $4`

// OrphanQueues implements [store.Queues].
func (s *Store) OrphanQueues(ctx context.Context, consumer string, categories []string, spared, limit int) ([]store.Queue, error) {
	return s.listQueues(ctx, s.statements.orphanQueues, consumer, categories, max(spared, 0), max(limit, 0))
}

func (s *Store) listQueues(ctx context.Context, statement, consumer string, more ...any) ([]store.Queue, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, statement, append([]any{consumer}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("list the queues of %s: %w", consumer, err)
	}
	queues, err := pgx.CollectRows(rows, scanQueue)
	if err != nil {
		return nil, fmt.Errorf("list the queues of %s: %w", consumer, err)
	}
	return queues, nil
}

// The row without a reason counts the messages.
const countQueuesSQL = `
SELECT reason, count(*), min(since) FROM {schema}.inbox_queues WHERE consumer = $1 AND category = ANY ($2::text[]) GROUP BY reason
UNION ALL
SELECT '', count(*), NULL FROM {schema}.inbox_messages WHERE consumer = $1 AND category = ANY ($2::text[])`

// CountQueues implements [store.Queues].
func (s *Store) CountQueues(ctx context.Context, consumer string, categories []string) (store.QueueCounts, error) {
	counts := store.QueueCounts{Streams: make(map[store.Reason]int64)}
	if err := store.CheckConsumer(consumer); err != nil {
		return counts, err
	}
	rows, err := s.pool.Query(ctx, s.statements.countQueues, consumer, categories)
	if err != nil {
		return counts, fmt.Errorf("count the queues of %s: %w", consumer, err)
	}
	var reason store.Reason
	var n int64
	var oldest *time.Time
	_, err = pgx.ForEachRow(rows, []any{&reason, &n, &oldest}, func() error {
		if reason == "" {
			counts.Messages = n
			return nil
		}
		counts.Streams[reason] = n
		if counts.Oldest.IsZero() || oldest.Before(counts.Oldest) {
			counts.Oldest = oldest.UTC()
		}
		return nil
	})
	if err != nil {
		return counts, fmt.Errorf("count the queues of %s: %w", consumer, err)
	}
	return counts, nil
}
