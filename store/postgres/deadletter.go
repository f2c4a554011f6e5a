package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const incarnationSQL = `
WITH made AS (
	INSERT INTO {schema}.inbox_incarnations (consumer, incarnation) VALUES ($1, replace(gen_random_uuid()::text, '-', ''))
	ON CONFLICT (consumer) DO NOTHING RETURNING incarnation
)
SELECT incarnation FROM made UNION ALL SELECT incarnation FROM {schema}.inbox_incarnations WHERE consumer = $1`

// Incarnation implements [store.Inbox].
func (s *Store) Incarnation(ctx context.Context, consumer string) (name string, err error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return "", err
	}
	for range 2 { // the one that another transaction has just made is seen by the second look
		err = s.pool.QueryRow(ctx, s.statements.incarnation, consumer).Scan(&name)
		if !errors.Is(err, pgx.ErrNoRows) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("read the incarnation of %s: %w", consumer, err)
	}
	return name, nil
}

// The order keeps two calls from deadlocking.
const rememberSQL = `
INSERT INTO {schema}.inbox_keys (consumer, category, source, event_id, at)
SELECT DISTINCT $1::text, k.category COLLATE "C", k.source COLLATE "C", k.event_id COLLATE "C", clock_timestamp()
FROM unnest($2::text[], $3::text[], $4::text[]) AS k (category, source, event_id)
ORDER BY 2, 3, 4
ON CONFLICT (consumer, category, source, event_id) DO NOTHING
RETURNING category, source, event_id`

// Remember implements [store.Inbox].
func (s *Store) Remember(ctx context.Context, tx pgx.Tx, consumer string, keys []store.EventKey) ([]bool, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	fresh := make([]bool, len(keys))
	if len(keys) == 0 {
		return fresh, ctx.Err()
	}
	unique := make(map[store.EventKey]bool, len(keys))
	var categories, sources, ids []string
	for _, k := range keys {
		if !unique[k] {
			unique[k] = true
			categories, sources, ids = append(categories, k.Category), append(sources, k.Source), append(ids, k.ID)
		}
	}
	rows, err := tx.Query(ctx, s.statements.remember, consumer, categories, sources, ids)
	if err != nil {
		return nil, fmt.Errorf("remember events of %s: %w", consumer, err)
	}
	made := make(map[store.EventKey]bool, len(keys))
	var k store.EventKey
	if _, err := pgx.ForEachRow(rows, []any{&k.Category, &k.Source, &k.ID}, func() error { made[k] = true; return nil }); err != nil {
		return nil, fmt.Errorf("remember events of %s: %w", consumer, err)
	}
	for i, k := range keys {
		fresh[i] = made[k]
		delete(made, k)
	}
	return fresh, nil
}

const forgetOlderSQL = `
DELETE FROM {schema}.inbox_keys WHERE ctid IN (
	SELECT ctid FROM {schema}.inbox_keys WHERE consumer = $1 AND at < clock_timestamp() - $2::bigint * interval '1 microsecond' LIMIT $3
)`

// ForgetOlder implements [store.Inbox].
func (s *Store) ForgetOlder(ctx context.Context, consumer string, age time.Duration, limit int) (int64, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return 0, err
	}
	tag, err := s.pool.Exec(ctx, s.statements.forgetOlder, consumer, age.Microseconds(), max(limit, 0))
	if err != nil {
		return 0, fmt.Errorf("forget events of %s: %w", consumer, err)
	}
	return tag.RowsAffected(), nil
}

const addLetterSQL = `
INSERT INTO {schema}.dead_letters (consumer, position, category, stream_id, version,
	event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata,
	source, broker_id, sequence, header, size, error, reason, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, nullif($14::text, '')::jsonb,
	$15, $16, $17, $18, $19, $20, $21, clock_timestamp())`

// AddDeadLetter implements [store.DeadLetters].
func (s *Store) AddDeadLetter(ctx context.Context, tx pgx.Tx, l store.DeadLetter) error {
	if err := store.CheckConsumer(l.Consumer); err != nil {
		return err
	}
	m := &l.Message
	fields, err := fieldsJSON(&m.Event)
	if err != nil {
		return err
	}
	header, err := json.Marshal(l.Header)
	if err != nil {
		return fmt.Errorf("encode the headers of message %s: %w", l.BrokerID, err)
	}
	if _, err := tx.Exec(ctx, s.statements.addLetter, l.Consumer, m.Position, anyText(m.Stream.Category), anyText(m.Stream.ID), m.Version,
		anyText(m.ID), anyText(m.Type), anyText(m.ContentType), bytea(m.Data), timestamp(m.Time),
		anyText(m.Metadata.CorrelationID), anyText(m.Metadata.CausationID), anyText(m.Metadata.Actor), fields,
		anyText(l.Source), anyText(l.BrokerID), int64(l.Sequence), string(header), int64(l.Size), anyText(l.Error), anyText(l.Reason)); err != nil {
		return fmt.Errorf("keep message %s as a dead letter of %s: %w", l.BrokerID, l.Consumer, err)
	}
	return nil
}

const listLettersSQL = `
SELECT ` + messageColumns + `, id, consumer, source, broker_id, sequence, header, size, error, reason, at FROM {schema}.dead_letters
WHERE consumer = $1 AND ($2::bigint = 0 OR id < $2) ORDER BY id DESC LIMIT $3`

// ListDeadLetters implements [store.DeadLetters].
func (s *Store) ListDeadLetters(ctx context.Context, consumer string, before int64, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.statements.listLetters, consumer, before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("list the dead letters of %s: %w", consumer, err)
	}
	defer rows.Close()
	var letters []store.DeadLetter
	for rows.Next() {
		var l store.DeadLetter
		var sequence int64
		var header []byte
		if err := scanMessage(rows, &l.Message, &l.ID, &l.Consumer, &l.Source, &l.BrokerID, &sequence, &header, &l.Size, &l.Error, &l.Reason, &l.At); err != nil {
			return nil, fmt.Errorf("list the dead letters of %s: %w", consumer, err)
		}
		if err := json.Unmarshal(header, &l.Header); err != nil {
			return nil, fmt.Errorf("headers of dead letter %d: %w", l.ID, err)
		}
		l.Sequence, l.At = uint64(sequence), l.At.UTC()
		letters = append(letters, l)
	}
	return letters, rows.Err()
}

const trimLettersSQL = `
DELETE FROM {schema}.dead_letters WHERE id IN (
	SELECT id FROM {schema}.dead_letters WHERE consumer = $1 AND reason = '' ORDER BY id DESC OFFSET $2
)`

// TrimDeadLetters implements [store.DeadLetters].
func (s *Store) TrimDeadLetters(ctx context.Context, consumer string, newest int) (int64, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return 0, err
	}
	tag, err := s.pool.Exec(ctx, s.statements.trimLetters, consumer, max(newest, 0))
	if err != nil {
		return 0, fmt.Errorf("trim the dead letters of %s: %w", consumer, err)
	}
	return tag.RowsAffected(), nil
}
