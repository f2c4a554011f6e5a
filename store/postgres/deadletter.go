package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const parkSQL = `
INSERT INTO {schema}.dead_letters (consumer, position, category, stream_id, version,
	event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, error, attempts, parked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, nullif($14::text, '')::jsonb, $15, $16, $17)
ON CONFLICT (consumer, category, stream_id, version) DO UPDATE
SET error = excluded.error, attempts = excluded.attempts WHERE excluded.error <> ''`

// Park implements [store.DeadLetters].
func (s *Store) Park(ctx context.Context, tx pgx.Tx, d store.DeadLetter) error {
	if err := store.CheckConsumer(d.Consumer); err != nil {
		return err
	}
	m := &d.Message
	fields, err := fieldsJSON(&m.Event)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.park, d.Consumer, m.Position, m.Stream.Category, m.Stream.ID, m.Version,
		m.ID, m.Type, m.ContentType, bytea(m.Data), timestamp(m.Time),
		m.Metadata.CorrelationID, m.Metadata.CausationID, m.Metadata.Actor, fields,
		anyText(d.Error), int64(d.Attempts), timestamp(d.ParkedAt)); err != nil {
		return fmt.Errorf("park version %d of %s for %s: %w", m.Version, m.Stream, d.Consumer, err)
	}
	return nil
}

// anyText replaces what PostgreSQL has no text for.
func anyText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

const letterColumns = messageColumns + `, consumer, error, attempts, parked_at`

const parkedSQL = `
SELECT ` + letterColumns + ` FROM {schema}.dead_letters
WHERE consumer = $1 AND category = $2 AND stream_id = $3
ORDER BY version LIMIT $4`

// Parked implements [store.DeadLetters].
func (s *Store) Parked(ctx context.Context, tx pgx.Tx, consumer string, stream store.Stream, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	letters, err := scanLetters(tx.Query(ctx, s.statements.parked, consumer, stream.Category, stream.ID, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("read dead letters of %s for %s: %w", stream, consumer, err)
	}
	return letters, nil
}

const unparkSQL = `
DELETE FROM {schema}.dead_letters WHERE consumer = $1 AND category = $2 AND stream_id = $3 AND version = $4`

// Unpark implements [store.DeadLetters].
func (s *Store) Unpark(ctx context.Context, tx pgx.Tx, consumer string, stream store.Stream, version int64) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.statements.unpark, consumer, stream.Category, stream.ID, version); err != nil {
		return fmt.Errorf("unpark version %d of %s for %s: %w", version, stream, consumer, err)
	}
	return nil
}

const parkedStreamsSQL = `
SELECT ` + letterColumns + ` FROM {schema}.dead_letters AS d
WHERE consumer = $1 AND (category, stream_id) > ($2, $3) AND NOT EXISTS (
	SELECT 1 FROM {schema}.dead_letters AS older
	WHERE older.consumer = d.consumer AND older.category = d.category AND older.stream_id = d.stream_id
		AND older.version < d.version
)
ORDER BY category, stream_id LIMIT $4`

// ParkedStreams implements [store.DeadLetters].
func (s *Store) ParkedStreams(ctx context.Context, consumer string, after store.Stream, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	letters, err := scanLetters(s.pool.Query(ctx, s.statements.parkedStreams, consumer, after.Category, after.ID, max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("list parked streams of %s: %w", consumer, err)
	}
	return letters, nil
}

func scanLetters(rows pgx.Rows, err error) ([]store.DeadLetter, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var letters []store.DeadLetter
	for rows.Next() {
		var d store.DeadLetter
		if err := scanMessage(rows, &d.Message, &d.Consumer, &d.Error, &d.Attempts, &d.ParkedAt); err != nil {
			return nil, err
		}
		d.ParkedAt = d.ParkedAt.UTC()
		letters = append(letters, d)
	}
	return letters, rows.Err()
}
