package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// The snapshot comes as a row of the page, at position 0 and first. Its time is the
// latest of its events, the epoch when that is not known. The scalar subquery keeps
// its event a look-up. A server without statistics would join by reading the whole
// stream.
const readSnapshotSQL = `
WITH snapshot AS MATERIALIZED (
	SELECT s.version, s.event_id, s.content_type, s.state AS data, coalesce(s.latest, 'epoch') AS latest
	FROM {schema}.snapshots AS s
	WHERE s.category = $1 AND s.stream_id = $2 AND s.schema = $3 AND s.event_id = (
		SELECT e.event_id FROM {schema}.event_store AS e
		WHERE e.category = s.category AND e.stream_id = s.stream_id AND e.version = s.version)
)
SELECT 0::bigint AS position, $1::text, $2::text, version, event_id, '', content_type, data, latest, '', '', '', NULL::jsonb, NULL::integer
FROM snapshot
UNION ALL (
	SELECT ` + eventColumns + ` FROM {schema}.event_store
	WHERE category = $1 AND stream_id = $2 AND version > coalesce((SELECT version FROM snapshot), 0)
	ORDER BY version LIMIT $4
)`

// ReadSnapshot implements [store.Snapshots], in one statement.
func (s *Store) ReadSnapshot(ctx context.Context, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	return s.readSnapshot(ctx, s.pool, stream, schema, limit)
}

// ReadSnapshot implements [store.Snapshots] and sees what the transaction has
// written.
func (t *TxStore) ReadSnapshot(ctx context.Context, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	return t.store.readSnapshot(ctx, t.tx, stream, schema, limit)
}

func (s *Store) readSnapshot(ctx context.Context, db querier, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	if err := stream.Check(); err != nil {
		return store.Snapshot{}, nil, err
	}
	rows, err := db.Query(ctx, s.statements.readSnapshot, stream.Category, stream.ID, int64(schema), max(limit, 0))
	messages, err := scanMessages(limit, rows, err)
	if err != nil {
		return store.Snapshot{}, nil, fmt.Errorf("read snapshot of %s: %w", stream, s.damaged(err))
	}
	snap := store.Snapshot{Stream: stream, Schema: schema}
	if len(messages) > 0 && messages[0].Position == 0 {
		snap.Version, snap.EventID, snap.ContentType, snap.Data = messages[0].Version, messages[0].ID, messages[0].ContentType, messages[0].Data
		snap.Latest = latestOf(messages[0].Time)
		messages = messages[1:]
	}
	return snap, messages, nil
}

const writeSnapshotSQL = `
INSERT INTO {schema}.snapshots AS s (category, stream_id, schema, version, event_id, content_type, state, latest)
SELECT category, stream_id, $3::bigint, version, event_id, $6::text, $7::bytea, $8::timestamptz FROM {schema}.event_store
WHERE category = $1 AND stream_id = $2 AND version = $4 AND event_id = $5
ON CONFLICT (category, stream_id, schema) DO UPDATE
SET version = excluded.version, event_id = excluded.event_id, content_type = excluded.content_type, state = excluded.state, latest = excluded.latest
WHERE s.version < excluded.version OR NOT EXISTS (
	SELECT 1 FROM {schema}.event_store AS e
	WHERE e.category = s.category AND e.stream_id = s.stream_id AND e.version = s.version AND e.event_id = s.event_id
)`

// WriteSnapshot implements [store.Snapshots].
func (s *Store) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if err := snap.Check(); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, s.statements.writeSnapshot, snapshotArgs(snap)...); err != nil {
		return fmt.Errorf("write snapshot of %s: %w", snap.Stream, err)
	}
	return nil
}

// WriteSnapshot implements [store.Snapshots]. The snapshot commits with the
// transaction. When it cannot be written, the transaction can be used further.
func (t *TxStore) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if err := snap.Check(); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue(t.store.statements.writeSnapshot, snapshotArgs(snap)...)
	if err := t.savepoint(ctx, batch); err != nil {
		return fmt.Errorf("write snapshot of %s: %w", snap.Stream, err)
	}
	return nil
}

func snapshotArgs(snap store.Snapshot) []any {
	var latest any
	if !snap.Latest.IsZero() {
		latest = timestamp(snap.Latest)
	}
	return []any{snap.Stream.Category, snap.Stream.ID, int64(snap.Schema), snap.Version, snap.EventID, snap.ContentType, bytea(snap.Data), latest}
}

func latestOf(t time.Time) time.Time {
	if t.UnixMicro() == 0 {
		return time.Time{}
	}
	return t
}
