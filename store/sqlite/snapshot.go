package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// The snapshot comes as a row of the page, at position 0. Its time is the latest of
// its events, 0 when that is not known.
const readSnapshotSQL = `
WITH snapshot AS MATERIALIZED (
	SELECT version, s.content_type, s.state AS data, coalesce(s.latest, 0) AS latest
	FROM snapshots AS s CROSS JOIN event_store USING (category, stream_id, version, event_id)
	WHERE category = ?1 AND stream_id = ?2 AND schema = ?3
)
SELECT 0 AS position, version, '', '', content_type, data, latest, '', '', '', NULL, NULL FROM snapshot
UNION ALL
SELECT * FROM (
	SELECT ` + streamColumns + ` FROM event_store
	WHERE category = ?1 AND stream_id = ?2 AND version > coalesce((SELECT version FROM snapshot), 0)
	ORDER BY version LIMIT ?4 + 0
)`

// ReadSnapshot implements [store.Snapshots], in one statement.
func (s *Store) ReadSnapshot(ctx context.Context, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	return s.readSnapshot(ctx, s.statements.readSnapshot, stream, schema, limit)
}

// ReadSnapshot implements [store.Snapshots] and sees what the transaction has
// written.
func (t *TxStore) ReadSnapshot(ctx context.Context, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	return t.store.readSnapshot(ctx, t.tx.StmtContext(ctx, t.store.statements.readSnapshot), stream, schema, limit)
}

func (s *Store) readSnapshot(ctx context.Context, statement *sql.Stmt, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	if err := stream.Check(); err != nil {
		return store.Snapshot{}, nil, err
	}
	rows, err := statement.QueryContext(ctx, stream.Category, stream.ID, schema, max(limit, 0))
	if err != nil {
		return store.Snapshot{}, nil, fmt.Errorf("read snapshot of %s: %w", stream, s.damaged(err))
	}
	messages, err := scanStream(rows, stream).page()
	if err != nil {
		return store.Snapshot{}, nil, fmt.Errorf("read snapshot of %s: %w", stream, s.damaged(err))
	}
	snap := store.Snapshot{Stream: stream, Schema: schema}
	if i := slices.IndexFunc(messages, func(m store.Message) bool { return m.Position == 0 }); i >= 0 {
		snap.Version, snap.ContentType, snap.Data = messages[i].Version, messages[i].ContentType, messages[i].Data
		if latest := messages[i].Time; latest.UnixMicro() != 0 {
			snap.Latest = latest
		}
		messages = slices.Delete(messages, i, i+1)
	}
	return snap, messages, nil
}

const writeSnapshotSQL = `
INSERT INTO snapshots (category, stream_id, schema, version, event_id, content_type, state, latest)
SELECT category, stream_id, ?3, version, event_id, ?5, ?6, ?7 FROM event_store
WHERE category = ?1 AND stream_id = ?2 AND version = ?4
ON CONFLICT (category, stream_id, schema) DO UPDATE
SET version = excluded.version, event_id = excluded.event_id, content_type = excluded.content_type, state = excluded.state, latest = excluded.latest
WHERE version < excluded.version OR NOT EXISTS (
	SELECT 1 FROM event_store AS e
	WHERE e.category = snapshots.category AND e.stream_id = snapshots.stream_id
		AND e.version = snapshots.version AND e.event_id = snapshots.event_id
)`

// WriteSnapshot implements [store.Snapshots].
func (s *Store) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if err := snap.Check(); err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error { return s.writeSnapshot(ctx, tx, snap) })
}

// WriteSnapshot implements [store.Snapshots]. The snapshot commits with the
// transaction. When it cannot be written, the transaction can be used further, as
// after an append.
func (t *TxStore) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if err := snap.Check(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // as in Append
	return t.savepoint(ctx, func() error { return t.store.writeSnapshot(ctx, t.tx, snap) })
}

func (s *Store) writeSnapshot(ctx context.Context, tx *sql.Tx, snap store.Snapshot) error {
	var latest any
	if !snap.Latest.IsZero() {
		latest = snap.Latest.UnixMicro()
	}
	_, err := tx.StmtContext(ctx, s.statements.writeSnapshot).ExecContext(ctx,
		snap.Stream.Category, snap.Stream.ID, snap.Schema, snap.Version, snap.ContentType, blob(snap.Data), latest)
	if err != nil {
		return fmt.Errorf("write snapshot of %s: %w", snap.Stream, err)
	}
	return nil
}
