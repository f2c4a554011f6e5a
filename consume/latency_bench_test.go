package consume_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
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

// followed is a store with a relay to JetStream and a follower.
type followed struct {
	*rates
	ctx  context.Context
	js   rawjetstream.JetStream
	view *consume.Follower[pgx.Tx]
}

// newFollowed starts a follower in the process that appends, or one in another
// process, which is another Store value here, woken by JetStream.
func newFollowed(b *testing.B, elsewhere bool) *followed {
	b.Helper()
	f := &followed{rates: newRates(b, 1000, 1000)}
	nc := natstest.Connect(b)
	br, err := jetstream.New(b.Context(), nc, jetstream.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if f.js, err = rawjetstream.New(nc); err != nil {
		b.Fatal(err)
	}
	var stop context.CancelFunc
	f.ctx, stop = context.WithCancel(context.Background())
	if elsewhere {
		other, err := postgres.Open(b.Context(), f.pool, postgres.Config{})
		if err != nil {
			b.Fatal(err)
		}
		f.view = consume.Follow("view", consume.Across(pathless{other}, other), consume.Config{Wake: br}, consume.On(bumps, f.one))
	} else {
		f.view = consume.Follow("view", f.store, consume.Config{}, consume.On(bumps, f.one))
	}
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{outbox.New(f.store, br, outbox.Config{}).Run, f.view.Run} {
		running.Go(func() { _ = run(f.ctx) })
	}
	b.Cleanup(func() { stop(); running.Wait() })
	last := f.loaded[len(f.loaded)-1]
	for f.view.Wait(f.ctx, last.Stream, last.Version) != nil {
	}
	return f
}

// append appends one event and returns when.
func (f *followed) append(b *testing.B, s store.Stream, id string) (committed time.Time) {
	e, err := bumps.Encode(bumped{1})
	if err != nil {
		b.Error(err)
	}
	e.ID, e.Time = id, time.Now()
	if _, err := f.store.Append(f.ctx, s, store.Any, []store.Event{e}); err != nil {
		b.Error(err)
	}
	return time.Now()
}

// BenchmarkCommitToView measures the time from the return of an append to the
// view's showing it, at rest, in the process that appends and in another one. The
// limit is one round trip to JetStream and one transaction.
func BenchmarkCommitToView(b *testing.B) {
	for name, elsewhere := range map[string]bool{"here": false, "elsewhere": true} {
		b.Run(name, func(b *testing.B) { commitToView(b, newFollowed(b, elsewhere)) })
	}
}

func commitToView(b *testing.B, f *followed) {
	var took, limit []time.Duration
	for n := 0; b.Loop(); n++ {
		s := bumps.Stream(fmt.Sprint("late-", n))
		time.Sleep(50 * time.Millisecond) // at rest: the pollers have slowed down
		committed := f.append(b, s, fmt.Sprint("late-", n))
		if err := f.view.Wait(f.ctx, s, 1); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(committed))
		time.Sleep(50 * time.Millisecond)
		started := time.Now()
		if _, err := f.js.Publish(f.ctx, "eventus.none.0", []byte("x")); err != nil {
			b.Fatal(err)
		}
		if err := pgx.BeginFunc(f.ctx, f.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(f.ctx, f.bare, s.ID, 1, 1)
			return err
		}); err != nil {
			b.Fatal(err)
		}
		limit = append(limit, time.Since(started))
	}
	b.ReportMetric(quantile(limit, 0.5), "limit-ms")
	b.ReportMetric(quantile(took, 0.5), "view-ms")
	b.ReportMetric(quantile(took, 0.5)/quantile(limit, 0.5), "view/limit")
	b.ReportMetric(0, "ns/op")
}

// quantile returns a quantile in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))].Seconds() * 1e3
}

// BenchmarkCommitToViewAt500 measures the same in the process that appends, while
// 500 events a second are appended to 100 streams.
func BenchmarkCommitToViewAt500(b *testing.B) {
	f := newFollowed(b, false)
	var mu sync.Mutex
	var took []time.Duration
	var waiting sync.WaitGroup
	pace := time.NewTicker(time.Second / 500)
	defer pace.Stop()
	for n := 0; b.Loop(); n++ {
		<-pace.C
		s, version := bumps.Stream(fmt.Sprint("busy-", n%100)), int64(n/100+1)
		waiting.Go(func() {
			committed := f.append(b, s, fmt.Sprint("busy-", n))
			if err := f.view.Wait(f.ctx, s, version); err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(committed))
		})
	}
	waiting.Wait()
	b.ReportMetric(quantile(took, 0.5), "p50-ms")
	b.ReportMetric(quantile(took, 0.99), "p99-ms")
	b.ReportMetric(quantile(took, 0.99)/quantile(took, 0.5), "p99/p50")
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
