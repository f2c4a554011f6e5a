package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// checkWrite refuses a transaction that did not come from InTx or is no longer
// one. Otherwise a mark could commit without the writes that it stands for.
func checkWrite(ctx context.Context, tx *sql.Tx, consumer string) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	return checkTx(ctx, tx)
}

const marksSQL = `
SELECT s.key, coalesce(i.version, 0), coalesce(i.event_id, ''), coalesce((
	SELECT q.reason FROM inbox_queues AS q
	WHERE q.consumer = ?1 AND q.category = s.value ->> 0 AND q.stream_id = s.value ->> 1
), '')
FROM json_each(?2) AS s
LEFT JOIN inbox AS i ON i.consumer = ?1 AND i.category = s.value ->> 0 AND i.stream_id = s.value ->> 1`

// Marks implements [store.Inbox]. Its locks are the write lock that tx holds.
func (s *Store) Marks(ctx context.Context, tx *sql.Tx, consumer string, streams []store.Stream) ([]store.Mark, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := tx.StmtContext(ctx, s.statements.marks).QueryContext(ctx, consumer, streamsJSON(streams))
	if err != nil {
		return nil, fmt.Errorf("read marks of %s: %w", consumer, err)
	}
	defer rows.Close()
	marks := make([]store.Mark, len(streams))
	for rows.Next() {
		var i int
		var m store.Mark
		if err := rows.Scan(&i, &m.Version, &m.EventID, &m.Reason); err != nil {
			return nil, fmt.Errorf("read marks of %s: %w", consumer, err)
		}
		m.Stream = streams[i]
		marks[i] = m
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read marks of %s: %w", consumer, err)
	}
	return marks, nil
}

const setMarksSQL = `
INSERT INTO inbox (consumer, category, stream_id, version, event_id)
SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?2) WHERE true
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = excluded.version, event_id = excluded.event_id`

// SetMarks implements [store.Inbox].
func (s *Store) SetMarks(ctx context.Context, tx *sql.Tx, consumer string, marks []store.Mark) error {
	if err := checkWrite(ctx, tx, consumer); err != nil {
		return err
	}
	list := make([][4]any, len(marks))
	for i, m := range marks {
		list[i] = [4]any{m.Stream.Category, m.Stream.ID, m.Version, m.EventID}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if _, err := tx.StmtContext(ctx, s.statements.setMarks).ExecContext(ctx, consumer, string(text)); err != nil {
		return fmt.Errorf("set marks of %s: %w", consumer, err)
	}
	return nil
}

var resetSQL = []string{
	`DELETE FROM inbox WHERE consumer = ?`,
	`DELETE FROM inbox_queues WHERE consumer = ?`,
	`DELETE FROM inbox_messages WHERE consumer = ?`,
	`DELETE FROM inbox_keys WHERE consumer = ?`,
	`INSERT INTO inbox_incarnations (consumer, incarnation) VALUES (?, lower(hex(randomblob(16))))
		ON CONFLICT (consumer) DO UPDATE SET incarnation = excluded.incarnation`,
}

// Reset implements [store.Inbox].
func (s *Store) Reset(ctx context.Context, tx *sql.Tx, consumer string) error {
	if err := checkWrite(ctx, tx, consumer); err != nil {
		return err
	}
	for _, statement := range resetSQL {
		if _, err := tx.ExecContext(ctx, statement, consumer); err != nil {
			return fmt.Errorf("reset %s: %w", consumer, err)
		}
	}
	return nil
}
