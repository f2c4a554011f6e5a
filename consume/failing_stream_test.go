package consume_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
)

// scale is how many events a hot stream gets. EVENTUS_SCALE changes it.
func scale() int {
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_SCALE")); err == nil {
		return n
	}
	if testing.Short() {
		return 300
	}
	return 2000
}

// TestAStreamThatFailsForeverHoldsNobodyUp lets one stream fail while it gets
// many events: others flow, nothing of it is copied, and a redrive of all of it
// comes to its end against live appends to the same stream.
func TestAStreamThatFailsForeverHoldsNobodyUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		var mended atomic.Bool
		f := r.follower("view", r, quick(), program{before: func(_ context.Context, _ any, m eventus.Message[bumpEvent]) error {
			if m.Stream.ID == "hot" && !mended.Load() {
				return errNever
			}
			return nil
		}})
		start(t, f)
		n := scale()
		for i := range n / 100 {
			add(t, r, "hot", 100)
			add(t, r, fmt.Sprint("other", i%7), 2)
		}
		await(t, "others flow", func() bool {
			effects, err := r.effects(t.Context(), "view")
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for s, ids := range effects {
				if total += len(ids); s.ID == "hot" {
					t.Fatal("the hot stream has effects")
				}
			}
			return total == n/100*2
		})
		await(t, "the hot stream is poison", func() bool { return parkedOf(t, r, "view")["hot"].Reason == store.Poison })
		for table, most := range map[string]int64{"parked_streams": 1, "consumers": 1, "consumer_segments": 1, "consumer_members": 1, "dead_letters": 0, "inbox": 0} {
			if rows, err := r.number(t.Context(), "SELECT count(*) FROM "+table); err != nil || rows > most {
				t.Errorf("%s has %d rows, want %d at most; error %v", table, rows, most, err)
			}
		}

		mended.Store(true)
		live, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ticker := time.NewTicker(2 * time.Millisecond)
			defer ticker.Stop()
			for live.Err() == nil {
				if err := tryAdd(t.Context(), r, bumps, "hot", 1); err != nil {
					ended <- err
					return
				}
				<-ticker.C
			}
			ended <- nil
		}()
		ask(t, r, "view", store.Request{Action: store.Redrive, Actor: "a test"})
		await(t, "the redrive wins against live appends", func() bool { return len(parkedOf(t, r, "view")) == 0 })
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		awaitExact(t, r, "view", r)
	})
}

// counted is a log that counts what is read of it.
type counted struct {
	store.Log
	longest, pages, ofStreams atomic.Int64
}

func (c *counted) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	s, err := c.Log.ReadStretch(ctx, r)
	c.longest.Store(max(c.longest.Load(), int64(len(s.Messages))))
	c.pages.Add(1)
	return s, err
}

func (c *counted) Read(ctx context.Context, s store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := c.Log.Read(ctx, s, after, limit)
	c.ofStreams.Add(int64(len(page)))
	return page, err
}

// A stream that waits does not make the follower read the log again, however
// long the log is.
func TestAStreamThatWaitsIsNoReasonToReadTheLogAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("waits", 1)
		for i := range 2000 {
			b.append(fmt.Sprint("s", i%50), 1)
		}
		b.model.setFail(failOn("waits", 1, consume.Transient(errNever)))
		log := &counted{Log: b.store}
		b.run(consume.Follow("view", consume.Across(log, b.store), b.config(), consume.On(bumps, b.model.handle)))
		pass(time.Minute)
		for i := range 50 {
			b.want(fmt.Sprint("s", i), 40)
		}
		log.longest.Store(0)
		before := log.ofStreams.Load()
		pass(time.Hour)
		// The message at the position that was reached, and no more.
		if n := log.longest.Load(); n != 1 {
			t.Errorf("a look at a log without news reads %d messages, want 1", n)
		}
		if n := log.ofStreams.Load() - before; n > 200 { // one for each try
			t.Errorf("in an hour of waiting, %d messages of the stream were read", n)
		}
	})
}

// BenchmarkOtherStreams measures the time from an append to the commit of its
// effect, at rest and while another stream fails and gets many events.
func BenchmarkOtherStreams(b *testing.B) {
	for _, failing := range []bool{false, true} {
		name := "alone"
		if failing {
			name = "beside a stream that fails"
		}
		b.Run(name, func(b *testing.B) {
			r := newPostgres(b)
			cfg := quick()
			cfg.LeaseDuration, cfg.Retry = 0, consume.Retry{}
			f := r.follower("view", r, cfg, program{before: func(_ context.Context, _ any, m eventus.Message[bumpEvent]) error {
				if m.Stream.ID == "hot" {
					return errNever
				}
				return nil
			}})
			start(b, f)
			for range scale() / 100 {
				if failing {
					add(b, r, "hot", 100)
				}
			}
			add(b, r, "first", 1)
			await(b, "the follower has begun", func() bool {
				return f.Wait(b.Context(), bumps.Stream("first"), 1) == nil
			})
			took := make([]time.Duration, 0, b.N)
			for i := 0; b.Loop(); i++ {
				if failing {
					b.StopTimer()
					add(b, r, "hot", 10)
					b.StartTimer()
				}
				began := time.Now()
				id := fmt.Sprint("o", i%200)
				add(b, r, id, 1)
				if err := f.Wait(b.Context(), bumps.Stream(id), int64(i/200+1)); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
