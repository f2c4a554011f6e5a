package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/eventus-go/eventus"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

const (
	updaters  = 16
	spread    = 2000 // aggregates
	hotEvents = 1000 // of the one aggregate, at first
)

func updateFigures() []figure {
	return []figure{
		{
			name:    "update/spread",
			title:   fmt.Sprintf("Update over %d aggregates, writers: %d", spread, updaters),
			unit:    "updates/s",
			ofLimit: 1.5,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return opened(ctx, l, openUpdate("Eventus", ours, updaters, spread, 1), openBareUpdate(updaters, spread))
			},
		},
		{
			name:    "update/hot",
			title:   fmt.Sprintf("Update of one aggregate, writers: %d", updaters),
			unit:    "updates/s",
			ofLimit: 1.5,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return opened(ctx, l, openUpdate("Eventus", ours, updaters, 1, hotEvents), openUpdate("Eventus, 1 writer", limit, 1, 1, hotEvents))
			},
		},
	}
}

// inTurn returns a function that goes round the ids of a number of streams. It is safe for
// concurrent use.
func inTurn(streams int) func() string {
	ids := make([]string, streams)
	for i := range ids {
		ids[i] = newID()
	}
	var calls atomic.Int64
	return func() string { return ids[int(calls.Add(1))%streams] }
}

// openUpdate adds an event to each of a number of aggregates in turn. They have a
// number of events at first, and a snapshot at each hundred.
func openUpdate(name string, as role, writers, aggregates, events int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		s, pool, err := l.postgres(ctx, writers+4)
		if err != nil {
			return contender{}, err
		}
		repo, next := eventus.NewRepository(s, orders, eventus.WithSnapshotEvery(100)), inTurn(aggregates)
		err = seed(writers, aggregates, func() error {
			a := repo.New(next())
			for n := range events {
				_ = a.add(n)
			}
			return repo.Save(ctx, a)
		})
		if err != nil {
			return contender{}, err
		}
		if err := settle(ctx, pool); err != nil {
			return contender{}, err
		}
		return contender{name: name, role: as, measure: rate(writers, 1, func(ctx context.Context, _ int) error {
			_, err := repo.Update(ctx, next(), func(o *order) error { return o.add(1) })
			return err
		})}, nil
	}
}

// seed calls add as often as there are aggregates, by a number of workers.
func seed(workers, aggregates int, add func() error) error {
	var g errgroup.Group
	g.SetLimit(workers)
	for range aggregates {
		g.Go(add)
	}
	return g.Wait()
}

const bareLast = `SELECT version, data FROM events WHERE category = $1 AND stream_id = $2 ORDER BY version DESC LIMIT 1`

// openBareUpdate reads the last row of a stream and inserts the next one. It tries
// again when another writer was first.
func openBareUpdate(writers, streams int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		bare, err := openBare(ctx, l, writers)
		if err != nil {
			return contender{}, err
		}
		next := inTurn(streams)
		if err := seed(writers, streams, func() error { return bare.insert(ctx, next(), 1) }); err != nil {
			return contender{}, err
		}
		if err := settle(ctx, bare.Pool); err != nil {
			return contender{}, err
		}
		c := contender{name: "bare SELECT, INSERT", role: limit, note: "reads one row: no outbox, no checksum"}
		c.measure = rate(writers, 1, func(ctx context.Context, _ int) error {
			for id := next(); ; {
				err := bare.addToLast(ctx, id)
				if conflict := (*pgconn.PgError)(nil); errors.As(err, &conflict) && conflict.Code == "23505" {
					continue
				}
				return err
			}
		})
		return c, nil
	}
}

func (b bareEvents) addToLast(ctx context.Context, id string) error {
	var version int64
	var data []byte
	if err := b.QueryRow(ctx, bareLast, category, id).Scan(&version, &data); err != nil {
		return err
	}
	var last item
	if err := json.Unmarshal(data, &last); err != nil {
		return err
	}
	return b.insert(ctx, id, version+1)
}
