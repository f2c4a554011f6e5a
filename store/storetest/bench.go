package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// Bench measures a backend, with payloads of 300 bytes. Every figure is per
// event ("events/s"), whatever an operation does; that of refused appends is
// the time of one. open is that of [Run], and what the store lacks is skipped
// as there.
func Bench[Tx any](b *testing.B, open func(t testing.TB) Backend[Tx]) {
	benchStore(b, open)
	benches := map[string]func(*testing.B, func(testing.TB) Backend[Tx]){
		"store.Log": benchLog[Tx], "store.Outbox": benchOutbox[Tx], "store.Snapshots": benchSnapshots[Tx], "store.Inbox": benchInbox[Tx],
	}
	first := mustOpen(b, open)
	for _, c := range capabilities(first) {
		bench, measured := benches[c.name]
		if lack := c.lack(first.Store); measured && lack != "" {
			b.Run(c.name, func(b *testing.B) { b.Skip(lack) })
		} else if measured {
			bench(b, open)
		}
	}
}

func benchStore[Tx any](b *testing.B, open func(testing.TB) Backend[Tx]) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("append 1 event, writers=%d", writers), func(b *testing.B) { benchAppend(b, mustOpen(b, open), writers, 1) })
	}
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("append %d events", n), func(b *testing.B) { benchAppend(b, mustOpen(b, open), 1, n) })
	}
	b.Run("append that is refused", func(b *testing.B) {
		backend := mustOpen(b, open)
		fill(b, backend, product, 10)
		batch := payloads(1)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := backend.Append(b.Context(), product, store.At(9), batch); err == nil {
				b.Fatal("a stale append is accepted")
			}
		}
	})
	b.Run("read a stream of 10000", func(b *testing.B) {
		backend := mustOpen(b, open)
		fill(b, backend, product, 10_000)
		rate(b, 10_000, func() error {
			for after := int64(0); ; {
				page, err := backend.Read(b.Context(), product, after, 500)
				if err != nil || len(page) == 0 {
					return err
				}
				after = page[len(page)-1].Version
			}
		})
	})
}

func benchLog[Tx any](b *testing.B, open func(testing.TB) Backend[Tx]) {
	benchStretch(b, open)
	b.Run("read the log of 10000", func(b *testing.B) {
		backend := mustOpen(b, open)
		for i := range 10 {
			fill(b, backend, store.Stream{Category: "product", ID: fmt.Sprint(i)}, 1000)
		}
		rate(b, 10_000, func() error {
			for after := int64(0); ; {
				page, err := backend.Log.ReadAll(b.Context(), after, 500)
				if err != nil || len(page) == 0 {
					return err
				}
				after = page[len(page)-1].Position
			}
		})
	})
}

// benchStretch reads a log of ten categories as a follower of some of them does.
func benchStretch[Tx any](b *testing.B, open func(testing.TB) Backend[Tx]) {
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprint("c", i))
	}
	for _, n := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("read the log of 10000, %d of 10 categories", n), func(b *testing.B) {
			backend := mustOpen(b, open)
			for i := range 1000 {
				fill(b, backend, store.Stream{Category: names[i%10], ID: fmt.Sprint(i)}, 10)
			}
			rate(b, 10_000, func() error {
				for r := (store.Range{Limit: 256, Categories: names[:n]}); ; {
					s, err := backend.Log.ReadStretch(b.Context(), r)
					if err != nil || s.End {
						return err
					}
					r.After = s.Last.Position
				}
			})
		})
	}
}

func benchOutbox[Tx any](b *testing.B, open func(testing.TB) Backend[Tx]) {
	b.Run("outbox cycle of 100", func(b *testing.B) {
		backend := mustOpen(b, open)
		batch := payloads(100)
		after := int64(0)
		rate(b, 100, func() error {
			if _, err := backend.Append(b.Context(), product, store.Any, batch); err != nil {
				return err
			}
			page, next, err := backend.Unpublished(b.Context(), after, 100)
			if err != nil {
				return err
			}
			after = next
			return backend.MarkPublished(b.Context(), positions(messagesOf(page)), nil)
		})
	})
}

// benchSnapshots loads the same stream as "read a stream of 10000" does.
func benchSnapshots[Tx any](b *testing.B, open func(testing.TB) Backend[Tx]) {
	b.Run("load a stream of 10000 by its snapshot", func(b *testing.B) {
		backend := mustOpen(b, open)
		fill(b, backend, product, 10_000)
		at, err := backend.Read(b.Context(), product, 9_989, 1)
		if err != nil || len(at) != 1 {
			b.Fatalf("read version 9,990: %d messages, error %v", len(at), err)
		}
		snap := snapshot(product, 1, 9_990)
		snap.EventID = at[0].ID
		mustWriteSnapshot(b, backend, snap)
		rate(b, 10_000, func() error {
			_, _, err := backend.ReadSnapshot(b.Context(), product, 1, 500)
			return err
		})
	})
}

// benchInbox does what a receiver does for a batch of messages from 100 streams,
// handlers aside.
func benchInbox[Tx any](b *testing.B, open func(testing.TB) Backend[Tx]) {
	b.Run("mark 100 streams in a transaction", func(b *testing.B) {
		backend := mustOpen(b, open)
		streams := make([]store.Stream, 100)
		for i := range streams {
			streams[i] = store.Stream{Category: "product", ID: fmt.Sprint(i)}
		}
		rate(b, len(streams), func() error {
			return backend.InTx(b.Context(), func(ctx context.Context, tx Tx) error { return addOne(ctx, backend, tx, streams) })
		})
	})
}

// payloads returns n events of 300 bytes each.
func payloads(n int) []store.Event {
	all := make([]store.Event, n)
	for i := range all {
		all[i] = store.Event{
			ID: fmt.Sprintf("0198c5a0-7b1e-7000-8000-%012d", i), Type: "product.repriced", ContentType: "application/json",
			Data: bytes.Repeat([]byte("x"), 300), Time: time.Now(),
			Metadata: store.Metadata{CorrelationID: "0198c5a0-7b1e-7000-8000-000000000000", Actor: "bench"},
		}
	}
	return all
}

// benchAppend appends n events at a time from each writer to streams of its own,
// a new one every 100 appends.
func benchAppend[Tx any](b *testing.B, backend subject[Tx], writers, n int) {
	var done atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for w := range writers {
		wg.Go(func() {
			batch := payloads(n)
			var s store.Stream
			for i := 0; done.Add(1) <= int64(b.N); i++ {
				if i%100 == 0 {
					s = store.Stream{Category: "product", ID: fmt.Sprintf("%d-%d", w, i)}
				}
				if _, err := backend.Append(b.Context(), s, store.At(int64(i%100*n)), batch); err != nil {
					b.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
}

// rate measures f, which handles n events.
func rate(b *testing.B, n int, f func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
}

func fill(b *testing.B, backend store.Store, s store.Stream, n int) {
	if _, err := backend.Append(b.Context(), s, store.Any, payloads(n)); err != nil {
		b.Fatal(err)
	}
}
