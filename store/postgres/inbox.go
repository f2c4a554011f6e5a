package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// Readers of marks share the consumer with each other and keep Reset away, which
// removes marks that are not there yet, too.
const (
	shareConsumerSQL = `SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text, $2))`
	ownConsumerSQL   = `SELECT pg_advisory_xact_lock(hashtextextended($1::text, $2))`
)

// consumerSeed is the seed of those locks' keys. Streams have the schema's key
// itself: with the same seed, a consumer and a stream could share a lock.
func (s *Store) consumerSeed() int64 { return int64(s.schemaKey) + 1<<40 }

// A row that WHERE false keeps as it is, is locked all the same, and a row that
// was not there is locked by being inserted. The order keeps two calls from
// deadlocking.
const lockMarksSQL = `
INSERT INTO {schema}.inbox AS i (consumer, category, stream_id, version, event_id)
SELECT DISTINCT $1::text, s.category COLLATE "C", s.stream_id COLLATE "C", 0, ''
FROM unnest($2::text[], $3::text[]) AS s (category, stream_id)
ORDER BY 2, 3
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = i.version WHERE false`

// It runs after lockMarksSQL, with a snapshot of its own: what was committed
// while that waited for the locks must be seen, the queues too.
const marksSQL = `
SELECT i.version, coalesce(i.event_id, ''), coalesce((
	SELECT q.reason FROM {schema}.inbox_queues AS q
	WHERE q.consumer = $1 AND q.category = s.category AND q.stream_id = s.stream_id
), '')
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS s (category, stream_id, k)
LEFT JOIN LATERAL (
	SELECT version, event_id FROM {schema}.inbox
	WHERE consumer = $1 AND category = s.category AND stream_id = s.stream_id OFFSET 0
) AS i ON true
ORDER BY s.k`

// Marks implements [store.Inbox], in one round trip. In a transaction above READ
// COMMITTED it can fail with a serialization failure, which is transient.
func (s *Store) Marks(ctx context.Context, tx pgx.Tx, consumer string, streams []store.Stream) ([]store.Mark, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, ctx.Err()
	}
	categories, ids := make([]string, len(streams)), make([]string, len(streams))
	for i, stream := range streams {
		categories[i], ids[i] = stream.Category, stream.ID
	}
	marks := make([]store.Mark, 0, len(streams))
	batch := &pgx.Batch{}
	batch.Queue(s.statements.shareConsumer, consumer, s.consumerSeed())
	batch.Queue(s.statements.lockMarks, consumer, categories, ids)
	batch.Queue(s.statements.marks, consumer, categories, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			m := store.Mark{Stream: streams[len(marks)]}
			var version *int64
			if err := rows.Scan(&version, &m.EventID, &m.Reason); err != nil {
				return err
			}
			if version == nil {
				return errOldSnapshot
			}
			m.Version = *version
			marks = append(marks, m)
		}
		return rows.Err()
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read marks of %s: %w", consumer, err)
	}
	return marks, nil
}

var errOldSnapshot = errors.New("the transaction's snapshot is older than the mark: begin it anew, at READ COMMITTED")

const setMarksSQL = `
INSERT INTO {schema}.inbox (consumer, category, stream_id, version, event_id)
SELECT $1::text, category, stream_id, version, event_id
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS s (category, stream_id, version, event_id)
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = excluded.version, event_id = excluded.event_id`

// SetMarks implements [store.Inbox].
func (s *Store) SetMarks(ctx context.Context, tx pgx.Tx, consumer string, marks []store.Mark) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	if len(marks) == 0 {
		return ctx.Err()
	}
	categories, ids, versions, events := make([]string, len(marks)), make([]string, len(marks)), make([]int64, len(marks)), make([]string, len(marks))
	for i, m := range marks {
		categories[i], ids[i], versions[i], events[i] = m.Stream.Category, m.Stream.ID, m.Version, m.EventID
	}
	if _, err := tx.Exec(ctx, s.statements.setMarks, consumer, categories, ids, versions, events); err != nil {
		return fmt.Errorf("set marks of %s: %w", consumer, err)
	}
	return nil
}

const (
	resetMarksSQL       = `DELETE FROM {schema}.inbox WHERE consumer = $1`
	resetQueuesSQL      = `DELETE FROM {schema}.inbox_queues WHERE consumer = $1`
	resetMessagesSQL    = `DELETE FROM {schema}.inbox_messages WHERE consumer = $1`
	resetKeysSQL        = `DELETE FROM {schema}.inbox_keys WHERE consumer = $1`
	resetIncarnationSQL = `
INSERT INTO {schema}.inbox_incarnations (consumer, incarnation) VALUES ($1, replace(gen_random_uuid()::text, '-', ''))
ON CONFLICT (consumer) DO UPDATE SET incarnation = excluded.incarnation`
)

// Reset implements [store.Inbox]. It is the first call of its transaction: after
// Marks it can deadlock with a transaction that waits for one of those marks,
// which ends as an error that is [Store.IsTransient].
func (s *Store) Reset(ctx context.Context, tx pgx.Tx, consumer string) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	// Alone, so that the statements after it see what was committed meanwhile.
	if _, err := tx.Exec(ctx, s.statements.ownConsumer, consumer, s.consumerSeed()); err != nil {
		return fmt.Errorf("reset %s: %w", consumer, err)
	}
	batch := &pgx.Batch{}
	for _, statement := range []string{
		s.statements.resetMarks, s.statements.resetQueues,
		s.statements.resetMessages, s.statements.resetKeys, s.statements.resetIncarnation,
	} {
		batch.Queue(statement, consumer)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("reset %s: %w", consumer, err)
	}
	return nil
}
