package consume_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	rawjetstream "github.com/nats-io/nats.go/jetstream"
)

// BenchmarkCommitToView measures the time from the return of an append to the
// view's showing it, at rest: in the process that appends, and in another one,
// which is another Store value here, woken by JetStream. The limit is one round
// trip to JetStream and one transaction.
func BenchmarkCommitToView(b *testing.B) {
	r := newRates(b, 1000, 1000)
	nc := natstest.Connect(b)
	br, err := jetstream.New(b.Context(), nc, jetstream.Config{})
	if err != nil {
		b.Fatal(err)
	}
	js, err := rawjetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	other, err := postgres.Open(b.Context(), r.pool, postgres.Config{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	here := consume.Follow("here", r.store, consume.Config{}, consume.On(bumps, r.one))
	there := consume.Follow("there", consume.Across(pathless{other}, other), consume.Config{Wake: br}, consume.On(bumps, r.one))
	for _, run := range []func(context.Context) error{outbox.New(r.store, br, outbox.Config{}).Run, here.Run, there.Run} {
		go func() { _ = run(ctx) }()
	}
	last := r.loaded[len(r.loaded)-1]
	for here.Wait(ctx, last.Stream, last.Version) != nil || there.Wait(ctx, last.Stream, last.Version) != nil {
	}
	var local, remote, limit []time.Duration
	for n := 0; b.Loop(); n++ {
		s := bumps.Stream(fmt.Sprint("late-", n))
		for version := int64(1); version <= 2; version++ {
			e, err := bumps.Encode(bumped{1})
			if err != nil {
				b.Fatal(err)
			}
			e.ID, e.Time = fmt.Sprint("late-", n, "-", version), time.Now()
			time.Sleep(50 * time.Millisecond) // at rest: the pollers have slowed down
			if _, err := r.store.Append(ctx, s, store.Any, []store.Event{e}); err != nil {
				b.Fatal(err)
			}
			committed := time.Now()
			if version == 1 {
				if err := here.Wait(ctx, s, version); err != nil {
					b.Fatal(err)
				}
				local = append(local, time.Since(committed))
			} else {
				if err := there.Wait(ctx, s, version); err != nil {
					b.Fatal(err)
				}
				remote = append(remote, time.Since(committed))
			}
		}
		started := time.Now()
		if _, err := js.Publish(ctx, "eventus.none.0", []byte("x")); err != nil {
			b.Fatal(err)
		}
		if err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, r.bare, s.ID, 1, 1)
			return err
		}); err != nil {
			b.Fatal(err)
		}
		limit = append(limit, time.Since(started))
	}
	median := func(d []time.Duration) float64 { slices.Sort(d); return d[len(d)/2].Seconds() * 1e3 }
	b.ReportMetric(median(limit), "limit-ms")
	b.ReportMetric(median(local), "here-ms")
	b.ReportMetric(median(remote), "there-ms")
	b.ReportMetric(median(local)/median(limit), "here/limit")
	b.ReportMetric(median(remote)/median(limit), "there/limit")
	b.ReportMetric(0, "ns/op")
}

// pathless is a log without a Watcher, as it is in another process.
type pathless struct{ store.Log }

// BenchmarkStates reads state and lag of 50 consumers, ten times a second in the
// issue's words: ns/op times 10 is the share of a core, of client and server.
func BenchmarkStates(b *testing.B) {
	r := newRates(b, 1000, 1000)
	for i := range 50 {
		c := store.Consumer{ConsumerID: store.ConsumerID{Name: fmt.Sprint("c-", i)}, Categories: []string{"bump"}, Segments: []store.Segment{{Progress: store.Progress{Position: int64(i * 20)}}}}
		if err := r.store.InTx(b.Context(), func(ctx context.Context, tx pgx.Tx) error {
			_, err := r.store.CreateConsumer(ctx, tx, c)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		states, err := consume.States(b.Context(), r.store)
		if err != nil || len(states) != 50 {
			b.Fatal(len(states), err)
		}
	}
}
