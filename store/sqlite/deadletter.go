package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

const parkSQL = `
INSERT INTO dead_letters (consumer, position, category, stream_id, version,
	event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, error, attempts, parked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (consumer, category, stream_id, version) DO UPDATE
SET error = excluded.error, attempts = excluded.attempts WHERE excluded.error <> ''`

// Park implements [store.DeadLetters].
func (s *Store) Park(ctx context.Context, tx *sql.Tx, d store.DeadLetter) error {
	if err := checkWrite(ctx, tx, d.Consumer); err != nil {
		return err
	}
	m := &d.Message
	event, err := eventValues(&m.Event)
	if err != nil {
		return fmt.Errorf("encode metadata of event %s: %w", m.ID, err)
	}
	values := append([]any{d.Consumer, m.Position, m.Stream.Category, m.Stream.ID, m.Version}, event...)
	values = append(values, d.Error, d.Attempts, d.ParkedAt.UnixMicro())
	if _, err := tx.ExecContext(ctx, parkSQL, values...); err != nil {
		return fmt.Errorf("park version %d of %s for %s: %w", m.Version, m.Stream, d.Consumer, err)
	}
	return nil
}

const letterColumns = messageColumns + `, consumer, error, attempts, parked_at`

const parkedSQL = `
SELECT ` + letterColumns + ` FROM dead_letters
WHERE consumer = ? AND category = ? AND stream_id = ?
ORDER BY version LIMIT ?`

// Parked implements [store.DeadLetters].
func (s *Store) Parked(ctx context.Context, tx *sql.Tx, consumer string, stream store.Stream, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	letters, err := scanLetters(tx.QueryContext(ctx, parkedSQL, consumer, stream.Category, stream.ID, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("read dead letters of %s for %s: %w", stream, consumer, err)
	}
	return letters, nil
}

const unparkSQL = `DELETE FROM dead_letters WHERE consumer = ? AND category = ? AND stream_id = ? AND version = ?`

// Unpark implements [store.DeadLetters].
func (s *Store) Unpark(ctx context.Context, tx *sql.Tx, consumer string, stream store.Stream, version int64) error {
	if err := checkWrite(ctx, tx, consumer); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, unparkSQL, consumer, stream.Category, stream.ID, version); err != nil {
		return fmt.Errorf("unpark version %d of %s for %s: %w", version, stream, consumer, err)
	}
	return nil
}

// The binary collation of the columns is the byte order that is asked for.
const parkedStreamsSQL = `
SELECT ` + letterColumns + ` FROM dead_letters AS d
WHERE consumer = ? AND (category, stream_id) > (?, ?) AND NOT EXISTS (
	SELECT 1 FROM dead_letters AS older
	WHERE older.consumer = d.consumer AND older.category = d.category AND older.stream_id = d.stream_id
		AND older.version < d.version
)
ORDER BY category, stream_id LIMIT ?`

// ParkedStreams implements [store.DeadLetters].
func (s *Store) ParkedStreams(ctx context.Context, consumer string, after store.Stream, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	letters, err := scanLetters(s.db.QueryContext(ctx, parkedStreamsSQL, consumer, after.Category, after.ID, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("list parked streams of %s: %w", consumer, err)
	}
	return letters, nil
}

func scanLetters(rows *sql.Rows, err error) ([]store.DeadLetter, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var letters []store.DeadLetter
	for rows.Next() {
		var d store.DeadLetter
		var parkedAt int64
		if err := scanMessage(rows, &d.Message, &d.Consumer, &d.Error, &d.Attempts, &parkedAt); err != nil {
			return nil, err
		}
		d.ParkedAt = time.UnixMicro(parkedAt).UTC()
		letters = append(letters, d)
	}
	return letters, rows.Err()
}
