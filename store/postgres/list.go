package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// The rows of the three tables are put together here and not by the server: its
// plan for arrays of segments looked at all segments for each consumer.
const (
	allConsumersSQL = `
SELECT ` + consumerColumns + ` FROM {schema}.consumers ` + orderConsumers

	allSegmentsSQL = `
SELECT ` + segmentColumns + ` FROM {schema}.consumer_segments ` + orderSegments

	allMembersSQL = `
SELECT ` + memberColumns + ` FROM {schema}.consumer_members ` + orderMembers

	someConsumersSQL = `
SELECT ` + consumerColumns + ` FROM {schema}.consumers WHERE (name, generation) ` + amongIDs + orderConsumers

	someSegmentsSQL = `
SELECT ` + segmentColumns + ` FROM {schema}.consumer_segments WHERE (consumer, generation) ` + amongIDs + orderSegments

	someMembersSQL = `
SELECT ` + memberColumns + ` FROM {schema}.consumer_members WHERE (consumer, generation) ` + amongIDs + orderMembers

	consumerColumns = `name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild`
	segmentColumns  = `consumer, generation, position, event_id, trying, tries, forked, owner, epoch, lease_until`
	memberColumns   = `consumer, generation, name, program, until`

	amongIDs       = `IN (SELECT * FROM unnest($1::text[], $2::bigint[])) `
	orderConsumers = `ORDER BY name, generation`
	orderSegments  = `ORDER BY consumer, generation, segment`
	orderMembers   = `ORDER BY consumer, generation, name`
)

// listing is what the three statements have found so far.
type listing struct {
	consumers []store.Consumer
	places    map[store.ConsumerID]int // in consumers
}

func (l *listing) scanConsumer(row pgx.Rows) error {
	var c store.Consumer
	var created *time.Time
	if err := row.Scan(&c.Name, &c.Generation, &c.Categories, &c.Start, &created, &c.Paused, &c.RenamedTo,
		&c.MeetAt, &c.NextSegments, &c.Rebuild); err != nil {
		return err
	}
	c.CreatedAt = zeroTime(created)
	l.places[c.ConsumerID] = len(l.consumers)
	l.consumers = append(l.consumers, c)
	return nil
}

func (l *listing) scanSegment(row pgx.Rows) error {
	var id store.ConsumerID
	var s store.Segment
	var lease *time.Time
	if err := row.Scan(&id.Name, &id.Generation, &s.Position, &s.EventID, &s.Trying, &s.Tries, &s.Forked,
		&s.Owner, &s.Epoch, &lease); err != nil {
		return err
	}
	s.LeaseUntil = zeroTime(lease)
	if i, ok := l.places[id]; ok {
		l.consumers[i].Segments = append(l.consumers[i].Segments, s)
	}
	return nil
}

func (l *listing) scanMember(row pgx.Rows) error {
	var id store.ConsumerID
	var m store.Member
	var until *time.Time
	if err := row.Scan(&id.Name, &id.Generation, &m.Name, &m.Program, &until); err != nil {
		return err
	}
	m.Until = zeroTime(until)
	if i, ok := l.places[id]; ok {
		l.consumers[i].Members = append(l.consumers[i].Members, m)
	}
	return nil
}

// queue adds the statements to batch that read consumers into l: those of ids, or
// all if there are none.
func (l *listing) queue(s *statements, batch *pgx.Batch, ids []store.ConsumerID) {
	l.places = make(map[store.ConsumerID]int)
	names, generations := make([]string, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		names[i], generations[i] = id.Name, int64(id.Generation)
	}
	for _, q := range []struct {
		all, some string
		scan      func(row pgx.Rows) error
	}{
		{s.allConsumers, s.someConsumers, l.scanConsumer},
		{s.allSegments, s.someSegments, l.scanSegment},
		{s.allMembers, s.someMembers, l.scanMember},
	} {
		statement, args := q.all, []any(nil)
		if len(ids) > 0 {
			statement, args = q.some, []any{names, generations}
		}
		batch.Queue(statement, args...).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				if err := q.scan(rows); err != nil {
					return err
				}
			}
			return rows.Err()
		})
	}
}

const (
	beginViewSQL = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	endViewSQL   = `COMMIT`
	clockSQL     = `SELECT clock_timestamp()`
)

// ListConsumers implements [store.Consumers], in one round trip.
func (s *Store) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	for _, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, time.Time{}, err
		}
	}
	var found listing
	var now time.Time
	batch := &pgx.Batch{}
	batch.Queue(beginViewSQL)
	found.queue(&s.statements, batch, ids)
	queueClock(batch, &now)
	batch.Queue(endViewSQL)
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, time.Time{}, fmt.Errorf("list consumers: %w", err)
	}
	return found.consumers, now, nil
}

func queueClock(batch *pgx.Batch, now *time.Time) {
	batch.Queue(clockSQL).QueryRow(func(row pgx.Row) error {
		err := row.Scan(now)
		*now = now.UTC()
		return err
	})
}

// The consumer comes first, then its segments in their order, so that two
// transactions that lock the same consumer do not deadlock.
const (
	lockConsumerSQL = `SELECT FROM {schema}.consumers WHERE name = $1 AND generation = $2 FOR UPDATE`
	lockSegmentsSQL = `SELECT FROM {schema}.consumer_segments WHERE consumer = $1 AND generation = $2 ORDER BY segment FOR UPDATE`
)

// LockConsumer implements [store.Consumers], in one round trip. What it returns
// is read by statements of their own, because their snapshots must be younger
// than the locks.
func (s *Store) LockConsumer(ctx context.Context, tx pgx.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return store.Consumer{}, time.Time{}, err
	}
	var found listing
	var now time.Time
	batch := &pgx.Batch{}
	batch.Queue(s.statements.lockConsumer, id.Name, int64(id.Generation))
	batch.Queue(s.statements.lockSegments, id.Name, int64(id.Generation))
	found.queue(&s.statements, batch, []store.ConsumerID{id})
	queueClock(batch, &now)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return store.Consumer{}, time.Time{}, fmt.Errorf("lock consumer %s: %w", id.Name, err)
	}
	if len(found.consumers) == 0 {
		return store.Consumer{}, time.Time{}, store.ErrNoConsumer
	}
	return found.consumers[0], now, nil
}
