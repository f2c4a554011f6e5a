package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventus-go/eventus"
)

func saveFigures() []figure {
	var figures []figure
	for _, c := range []struct {
		writers         int
		ofLimit, ofPeer float64
	}{{1, 0.9, 0}, {16, 1.3, 0}, {64, 3, 8}} {
		figures = append(figures, figure{
			name:    fmt.Sprintf("save/%d", c.writers),
			title:   fmt.Sprintf("Save of one event, writers: %d", c.writers),
			unit:    "events/s",
			ofLimit: c.ofLimit,
			ofPeer:  c.ofPeer,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return opened(ctx, l,
					openSave(c.writers, 1),
					openBareSave(c.writers),
					openGoesSave(c.writers, 1),
					openWatermillSave(c.writers),
					openRiverSave(c.writers))
			},
		})
	}
	return append(figures, figure{
		name:    "save/batch",
		title:   "Save of 1,000 events at once",
		unit:    "events/s",
		ofLimit: 0.95,
		open: func(ctx context.Context, l *lab) ([]contender, error) {
			return opened(ctx, l, openSave(1, batch), openBareBatch, openGoesSave(1, batch))
		},
	})
}

// batch is the number of events in a large save or load.
const batch = 1000

// opener makes a contender.
type opener func(ctx context.Context, l *lab) (contender, error)

func opened(ctx context.Context, l *lab, openers ...opener) ([]contender, error) {
	var contenders []contender
	for _, open := range openers {
		c, err := open(ctx, l)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	return contenders, nil
}

// openSave saves with Eventus: events, version check and outbox rows in one
// transaction.
func openSave(writers, events int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		s, _, err := l.postgres(ctx, max(writers, 4))
		if err != nil {
			return contender{}, err
		}
		return contender{name: "Eventus", role: ours, measure: rate(writers, events, saver(eventus.NewRepository(s, orders), writers, events))}, nil
	}
}

// saver returns an operation that saves events. Each worker has its own aggregate.
func saver(r *eventus.Repository[*order], writers, events int) func(ctx context.Context, worker int) error {
	aggregates := make([]*order, writers)
	return func(ctx context.Context, worker int) error {
		a := aggregates[worker]
		if a == nil || a.Version() >= streamLength {
			a = r.New(newID())
			aggregates[worker] = a
		}
		for n := range events {
			_ = a.add(n)
		}
		return r.Save(ctx, a)
	}
}

// openBareSave inserts the same rows with a plain INSERT for each event.
func openBareSave(writers int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		bare, err := openBare(ctx, l, writers)
		if err != nil {
			return contender{}, err
		}
		places := make([]place, writers)
		return contender{name: "bare INSERT", role: limit, note: "one table: no outbox, no checksum", measure: rate(writers, 1, func(ctx context.Context, worker int) error {
			p := &places[worker]
			p.next()
			return bare.insert(ctx, p.stream, p.version)
		})}, nil
	}
}

const bareBatch = `
INSERT INTO events (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
SELECT $1, $2, e.version, e.id, e.type, e.content_type, e.data, e.time, '', '', ''
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[]) AS e (version, id, type, content_type, data, time)`

// openBareBatch inserts a new stream in one statement.
func openBareBatch(ctx context.Context, l *lab) (contender, error) {
	bare, err := openBare(ctx, l, 1)
	if err != nil {
		return contender{}, err
	}
	return contender{name: "bare unnest INSERT", role: limit, note: "one table: no outbox, no checksum", measure: rate(1, batch, func(ctx context.Context, _ int) error {
		versions, ids := make([]int64, batch), make([]string, batch)
		types, contentTypes := make([]string, batch), make([]string, batch)
		datas, times := make([][]byte, batch), make([]time.Time, batch)
		for n := range batch {
			data, err := json.Marshal(newItem(n))
			if err != nil {
				return err
			}
			versions[n], ids[n], types[n], contentTypes[n], datas[n], times[n] = int64(n+1), newID(), eventType, "application/json", data, time.Now()
		}
		_, err := bare.Exec(ctx, bareBatch, category, newID(), versions, ids, types, contentTypes, datas, times)
		return err
	})}, nil
}
