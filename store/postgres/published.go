package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/internal/positions"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// Consecutive positions go by the first and the last: a list is looked up one by one.
const (
	dequeueSQL = `
WITH gone AS (DELETE FROM {schema}.outbox WHERE position = ANY ($8::bigint[]))` + keepSQL
	dequeueRangeSQL = `
WITH gone AS (DELETE FROM {schema}.outbox WHERE position BETWEEN $8 AND $9)` + keepSQL
)

const keepSQL = `
INSERT INTO {schema}.published AS p (place, topic, position, message_id, token, floor, confirmed_at)
SELECT l.place, l.topic, l.position, l.message_id, l.token, l.floor, coalesce(l.confirmed_at, clock_timestamp())
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[])
	AS l (place, topic, position, message_id, token, floor, confirmed_at)
ON CONFLICT (place) DO UPDATE SET topic = excluded.topic, position = excluded.position, message_id = excluded.message_id,
	token = excluded.token, floor = excluded.floor, confirmed_at = excluded.confirmed_at`

const (
	dropCheckpointsSQL = `DELETE FROM {schema}.published_checkpoints WHERE place = ANY ($1::text[])`
	addCheckpointsSQL  = `
INSERT INTO {schema}.published_checkpoints (place, ordinal, position, message_id, token, confirmed_at)
SELECT c.place, c.ordinal, c.position, c.message_id, c.token, coalesce(c.confirmed_at, clock_timestamp())
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
	AS c (place, ordinal, position, message_id, token, confirmed_at)`
)

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, published []int64, last []store.Published) error {
	if len(published) == 0 && len(last) == 0 {
		return ctx.Err()
	}
	places, topics, ids, tokens := make([]string, len(last)), make([]string, len(last)), make([]string, len(last)), make([]string, len(last))
	at, floors, times := make([]int64, len(last)), make([]int64, len(last)), make([]*time.Time, len(last))
	for i, l := range last {
		places[i], topics[i], at[i], ids[i], tokens[i], floors[i] = l.Place, l.Topic, l.Position, l.MessageID, l.Token, l.Floor
		times[i] = timeOrNull(l.Time)
	}
	dequeue, mark := s.statements.dequeue, []any{places, topics, at, ids, tokens, floors, times}
	if len(published) > 0 && positions.Consecutive(published) {
		dequeue, mark = s.statements.dequeueRange, append(mark, published[0], published[len(published)-1])
	} else {
		mark = append(mark, published)
	}
	var err error
	if slices.ContainsFunc(last, func(l store.Published) bool { return l.Checkpoints != nil }) {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue(dequeue, mark...)
			s.queueCheckpoints(batch, last)
			return tx.SendBatch(ctx, batch).Close()
		})
	} else {
		_, err = s.pool.Exec(ctx, dequeue, mark...)
	}
	if err != nil {
		return fmt.Errorf("take %d messages off the outbox: %w", len(published), err)
	}
	return nil
}

func (s *Store) queueCheckpoints(batch *pgx.Batch, last []store.Published) {
	var replaced, places, ids, tokens []string
	var ordinals []int32
	var at []int64
	var times []*time.Time
	for _, l := range last {
		if l.Checkpoints != nil {
			replaced = append(replaced, l.Place)
		}
		for i, c := range l.Checkpoints {
			places, ordinals, at, ids = append(places, l.Place), append(ordinals, int32(i)), append(at, c.Position), append(ids, c.MessageID)
			tokens, times = append(tokens, c.Token), append(times, timeOrNull(c.Time))
		}
	}
	batch.Queue(s.statements.dropCheckpoints, replaced)
	if len(places) > 0 {
		batch.Queue(s.statements.addCheckpoints, places, ordinals, at, ids, tokens, times)
	}
}

const publishedSQL = `
SELECT p.place, p.topic, p.position, p.message_id, p.token, p.floor, p.confirmed_at,
	coalesce(c.position, 0), coalesce(c.message_id, ''), coalesce(c.token, ''), c.confirmed_at
FROM {schema}.published AS p LEFT JOIN {schema}.published_checkpoints AS c USING (place)
ORDER BY p.place, c.ordinal`

// Published implements [store.Outbox].
func (s *Store) Published(ctx context.Context) ([]store.Published, error) {
	rows, err := s.pool.Query(ctx, s.statements.published)
	if err != nil {
		return nil, fmt.Errorf("read what was published last: %w", err)
	}
	var all []store.Published
	var p store.Published
	var c store.Checkpoint
	var at *time.Time
	into := []any{&p.Place, &p.Topic, &p.Position, &p.MessageID, &p.Token, &p.Floor, &p.Time, &c.Position, &c.MessageID, &c.Token, &at}
	_, err = pgx.ForEachRow(rows, into, func() error {
		if len(all) == 0 || all[len(all)-1].Place != p.Place {
			p.Time = p.Time.UTC()
			all = append(all, p)
		}
		if at != nil {
			c.Time = at.UTC()
			l := &all[len(all)-1]
			l.Checkpoints = append(l.Checkpoints, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was published last: %w", err)
	}
	return all, nil
}
