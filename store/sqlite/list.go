package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

// ListConsumers implements [store.Consumers].
func (s *Store) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	for _, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, time.Time{}, err
		}
	}
	var rows *sql.Rows
	var err error
	if len(ids) == 0 {
		rows, err = s.statements.listAll.QueryContext(ctx)
	} else {
		rows, err = s.statements.listSome.QueryContext(ctx, idsJSON(ids))
	}
	consumers, err := scanConsumers(rows, err)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list consumers: %w", err)
	}
	return consumers, now(), nil
}

// LockConsumer implements [store.Consumers]. Its lock is the write lock that tx
// holds.
func (s *Store) LockConsumer(ctx context.Context, tx *sql.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	if err := checkConsumer(ctx, tx, id); err != nil {
		return store.Consumer{}, time.Time{}, err
	}
	ids := idsJSON([]store.ConsumerID{id})
	consumers, err := scanConsumers(tx.StmtContext(ctx, s.statements.listSome).QueryContext(ctx, ids))
	if err == nil && len(consumers) == 0 {
		err = store.ErrNoConsumer
	}
	if err != nil {
		return store.Consumer{}, time.Time{}, fmt.Errorf("lock consumer %s: %w", describe(id), err)
	}
	return consumers[0], now(), nil
}

// listSQL gives the row of a consumer (kind 0), behind it those of its segments
// (1) and of its members (2). One statement sees the database at one moment.
const listSQL = `
SELECT 0 AS kind, name, generation, 0 AS segment, '' AS member,
	categories, start, renamed_to, created_at, paused, meet_at, next_segments, rebuild
FROM consumers%[1]s
UNION ALL
SELECT 1, name, generation, segment, '',
	owner, event_id, forked, lease_until, position, trying, tries, epoch
FROM consumer_segments%[1]s
UNION ALL
SELECT 2, name, generation, 0, member,
	program, '', '', until, 0, 0, 0, 0
FROM consumer_members%[1]s
ORDER BY name, generation, kind, segment, member`

var (
	listAllSQL  = fmt.Sprintf(listSQL, "")
	listSomeSQL = fmt.Sprintf(listSQL, " WHERE (name, generation) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))")
)

// scanConsumers reads the rows of listSQL and closes them.
func scanConsumers(rows *sql.Rows, err error) ([]store.Consumer, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var consumers []store.Consumer
	for rows.Next() {
		var r partRow
		if err := r.scan(rows); err != nil {
			return nil, err
		}
		if r.kind == 0 {
			c, err := r.consumer()
			if err != nil {
				return nil, err
			}
			consumers = append(consumers, c)
			continue
		}
		if len(consumers) == 0 || consumers[len(consumers)-1].ConsumerID != r.id {
			continue // left behind by somebody who has deleted rows by hand
		}
		c := &consumers[len(consumers)-1]
		switch {
		case r.kind == 2:
			c.Members = append(c.Members, r.toMember())
		case r.segment != len(c.Segments):
			return nil, fmt.Errorf("the row of segment %d of consumer %s is missing in consumer_segments: put it back, or rebuild the consumer",
				len(c.Segments), describe(r.id))
		default:
			c.Segments = append(c.Segments, r.toSegment())
		}
	}
	return consumers, rows.Err()
}

// partRow is a row of listSQL. What texts and numbers hold depends on kind.
type partRow struct {
	kind    int
	id      store.ConsumerID
	segment int
	member  string
	texts   [3]string
	numbers [5]int64
}

func (r *partRow) scan(rows *sql.Rows) error {
	return rows.Scan(&r.kind, &r.id.Name, &r.id.Generation, &r.segment, &r.member,
		&r.texts[0], &r.texts[1], &r.texts[2],
		&r.numbers[0], &r.numbers[1], &r.numbers[2], &r.numbers[3], &r.numbers[4])
}

func (r *partRow) consumer() (store.Consumer, error) {
	c := store.Consumer{
		ConsumerID: r.id, Start: r.texts[1], RenamedTo: r.texts[2], CreatedAt: fromMicros(r.numbers[0]),
		Paused: r.numbers[1] != 0, MeetAt: r.numbers[2], NextSegments: int(r.numbers[3]), Rebuild: r.numbers[4],
	}
	if err := json.Unmarshal([]byte(r.texts[0]), &c.Categories); err != nil {
		return c, fmt.Errorf("categories of consumer %s: %w", describe(r.id), err)
	}
	return c, nil
}

func (r *partRow) toSegment() store.Segment {
	return store.Segment{
		Owner: r.texts[0], LeaseUntil: fromMicros(r.numbers[0]), Epoch: r.numbers[4],
		Progress: store.Progress{
			EventID: r.texts[1], Forked: r.texts[2], Position: r.numbers[1], Trying: r.numbers[2], Tries: int(r.numbers[3]),
		},
	}
}

func (r *partRow) toMember() store.Member {
	return store.Member{Name: r.member, Program: r.texts[0], Until: fromMicros(r.numbers[0])}
}

// idsJSON returns [["name",generation],...].
func idsJSON(ids []store.ConsumerID) string {
	pairs := make([][2]any, len(ids))
	for i, id := range ids {
		pairs[i] = [2]any{id.Name, id.Generation}
	}
	text, err := json.Marshal(pairs)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return string(text)
}
