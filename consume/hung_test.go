package consume_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A batch that hangs says nothing of its first message: it is tried in smaller
// parts until the message to blame is alone.
func TestABatchThatHangsIsNarrowedToTheMessageToBlame(t *testing.T) {
	inBubble(t, func(b *bench) {
		release := make(chan struct{})
		defer close(release)
		b.append("a", 100)
		b.append("bad", 2)
		b.append("c", 100)
		var hung atomic.Int64
		b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
			if m.Stream.ID == "bad" {
				hung.Add(1)
				<-release
			}
			return nil
		})
		b.run(consume.Follow("view", b.store, b.config(), consume.OnBatch(bumps, b.model.handleBatch)))
		pass(time.Hour)
		b.want("a", 100)
		b.want("bad", 0)
		b.want("c", 100)
		parked := b.parked()
		if p := parked["bad"]; len(parked) != 1 || p.Version != 1 || p.Reason != store.Poison || !strings.Contains(p.Error, "has not returned") {
			b.Errorf("parked: %+v", parked)
		}
		// Each half takes a hang, and each try alone. One message at a time would
		// take a hundred.
		if got := hung.Load(); got > 40 {
			b.Errorf("%d calls hang", got)
		}
	})
}

// TestAHandlerThatOutlivesItsTransaction has handlers that return nil long after
// the time of their transaction. The worker has gone on meanwhile: it has tried
// smaller parts, parked the stream, and moved on. Nothing of the late ones takes
// effect.
func TestAHandlerThatOutlivesItsTransaction(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, r rig) {
		release := make(chan struct{})
		var inside atomic.Int64
		var returned sync.WaitGroup
		p := program{after: func(_ context.Context, _ any, m eventus.Message[bumpEvent]) error {
			if m.Stream.ID != "bad" {
				return nil
			}
			returned.Add(1)
			defer returned.Done()
			inside.Add(1)
			<-release
			return nil
		}}
		for i := range 4 {
			add(t, r, fmt.Sprint("before", i), 2)
		}
		add(t, r, "bad", 3)
		for i := range 4 {
			add(t, r, fmt.Sprint("after", i), 2)
		}
		cfg := quick()
		cfg.LeaseDuration = 400 * time.Millisecond
		start(t, r.follower("view", r, cfg, p))
		await(t, "the stream is poison", func() bool { return parkedOf(t, r, "view")["bad"].Reason == store.Poison })
		if inside.Load() < 3 {
			t.Errorf("%d handlers hang, want those of the page, of the smaller parts, and of the stream alone", inside.Load())
		}
		await(t, "the segment is at the end of the log", func() bool { return consumerOf(t, r, "view").Segments[0].Position == 19 })
		row := parkedOf(t, r, "view")["bad"]

		close(release)
		returned.Wait()
		for i := range 5 { // whatever a late transaction does, it has the time for it
			add(t, r, "later", 1)
			await(t, "the segment is at the end of the log", func() bool {
				position := consumerOf(t, r, "view").Segments[0].Position
				if position < int64(19+i) {
					t.Fatalf("the segment has moved back to %d", position)
				}
				return position == int64(20+i)
			})
		}
		effects, err := r.effects(t.Context(), "view")
		if err != nil {
			t.Fatal(err)
		}
		want := eventsOf(t, r)
		delete(want, bumps.Stream("bad"))
		for s, ids := range want {
			if fmt.Sprint(effects[s]) != fmt.Sprint(ids) {
				t.Errorf("%s has effects of %v, want %v", s, effects[s], ids)
			}
		}
		if got := effects[bumps.Stream("bad")]; len(got) > 0 {
			t.Errorf("late handlers have taken effect: %v", got)
		}
		if got := parkedOf(t, r, "view")["bad"]; got != row {
			t.Errorf("parked: %+v, and it was %+v before", got, row)
		}
		ask(t, r, "view", store.Request{Action: store.Redrive})
		awaitExact(t, r, "view", r)
	}
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, memoryBed()) })
	eachDatabase(t, test)
	t.Run("a database that does not notice the end of a context", func(t *testing.T) {
		t.Parallel()
		cfg := pgtest.Pool(t).Config().Copy()
		cfg.MaxConns = 40 // each that hangs keeps its own
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		r := onPool(t, pool)
		r.Database = oblivious[pgx.Tx]{r.Database}
		test(t, r)
	})
}

// oblivious is a database whose transactions go on after their context has ended:
// what they commit then is held back by the claim alone.
type oblivious[Tx any] struct{ consume.Database[Tx] }

func (o oblivious[Tx]) InTx(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	return o.Database.InTx(context.WithoutCancel(ctx), f)
}
