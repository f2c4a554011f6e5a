package main

import (
	"context"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	rawjetstream "github.com/nats-io/nats.go/jetstream"
)

// rest is the pause before each latency measurement. It lets pollers slow down.
const rest = 20 * time.Millisecond

// openLatency measures the time from the return of Save to the return of Wait. The
// limit is one publish to JetStream and one transaction.
func openLatency(ctx context.Context, l *lab) ([]contender, error) {
	s, pool, err := l.postgres(ctx, 8)
	if err != nil {
		return nil, err
	}
	nc, err := l.nats()
	if err != nil {
		return nil, err
	}
	br, err := jetstream.New(ctx, nc, jetstream.Config{})
	if err != nil {
		return nil, err
	}
	js, err := rawjetstream.New(nc)
	if err != nil {
		return nil, err
	}
	ofFollower, err := newView(ctx, pool, "followed")
	if err != nil {
		return nil, err
	}
	bare, err := newView(ctx, pool, "bare")
	if err != nil {
		return nil, err
	}
	f := consume.Follow("view", s, consume.Config{}, consume.On(orders, ofFollower.one))
	l.background(ctx, outbox.New(s, br, outbox.Config{}).Run)
	ended := l.background(ctx, f.Run)
	repo := eventus.NewRepository(s, orders)
	first, err := saveOrder(ctx, repo, 1)
	if err != nil {
		return nil, err
	}
	if err := awaitSeen(ctx, f, ended, orders.Stream(first), 1); err != nil {
		return nil, err
	}
	return []contender{
		{name: "Eventus", role: ours, measure: latency(func(ctx context.Context) (time.Duration, error) {
			id, err := saveOrder(ctx, repo, 1)
			if err != nil {
				return 0, err
			}
			start := time.Now()
			err = f.Wait(ctx, orders.Stream(id), 1)
			return time.Since(start), err
		})},
		{name: "bare publish and upsert", role: limit, note: "one message, one row", measure: latency(func(ctx context.Context) (time.Duration, error) {
			m := orderMessage{}
			m.Stream, m.Version, m.Event = store.Stream{Category: category, ID: newID()}, 1, ordered{newItem(1)}
			start := time.Now()
			if _, err := js.Publish(ctx, "eventus.none.0", []byte("x")); err != nil {
				return 0, err
			}
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return bare.one(ctx, tx, m) })
			return time.Since(start), err
		})},
	}, nil
}

// latency returns a measure of the median time of once, in milliseconds.
func latency(once func(ctx context.Context) (time.Duration, error)) measure {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		var took []float64
		for start := time.Now(); len(took) == 0 || time.Since(start) < d; {
			time.Sleep(rest)
			one, err := once(ctx)
			if err != nil {
				return 0, err
			}
			took = append(took, one.Seconds()*1e3)
		}
		return quartilesOf(took).median, nil
	}
}
