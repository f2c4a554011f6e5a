package storetest

import (
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func outboxClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"the outbox has exactly one row for each event, in the order of positions", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			mustAppend(t, b, product, 3, events("c", 1)...)
			equal(t, "outbox", mustUnpublished(t, b), mustReadInOrder(t, b, product, other))
		}},
		{"a page of the outbox ends at the limit", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 5)...)
			want := mustRead(t, b, product)
			for limit := -1; limit < 7; limit++ {
				got, err := b.Unpublished(t.Context(), limit)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "page", got, want[:max(0, min(limit, 5))])
			}
		}},
		{"marking takes exactly the given positions off the outbox", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 6)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, log[4].Position, log[0].Position, log[1].Position)
			equal(t, "outbox", mustUnpublished(t, b), slices.Concat(log[2:4], log[5:]))
			equal(t, "stream", mustRead(t, b, product), log)
		}},
		{"marking twice and marking unknown positions change nothing", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, log[0].Position)
			mustPublish(t, b, log[0].Position, log[0].Position)
			mustPublish(t, b, -1, 0, log[2].Position+1, math.MaxInt64, math.MinInt64)
			mustPublish(t, b)
			equal(t, "outbox", mustUnpublished(t, b), log[1:])
			mustAppend(t, b, product, 3, event("new"))
			equal(t, "messages in the outbox", len(mustUnpublished(t, b)), 3)
		}},
		{"Republish puts back every message after a position and counts what it put back", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 6)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, positions(log[:5])...)
			for _, c := range []struct{ after, put int64 }{
				{log[5].Position, 0}, {log[2].Position, 2}, {log[2].Position, 0}, {math.MaxInt64, 0}, {0, 3}, {math.MinInt64, 0},
			} {
				n, err := b.Republish(t.Context(), c.after)
				if err != nil || n != c.put {
					t.Fatalf("republish after %d: %d messages, error %v, want %d", c.after, n, err, c.put)
				}
			}
			equal(t, "outbox", mustUnpublished(t, b), log)
			mustPublish(t, b, positions(log)...)
			equal(t, "outbox", mustUnpublished(t, b), []store.Message{})
		}},
		{"a relay that marks what it read loses and repeats nothing while writers append", drainsOnce[Tx]},
	}
}

func drainsOnce[Tx any](t *testing.T, b subject[Tx]) {
	const writers, appends = 4, 40
	done := make(chan struct{})
	var writing, relay sync.WaitGroup
	var sent []store.Message
	relay.Go(func() {
		for last := false; ; {
			page, err := b.Unpublished(t.Context(), 16)
			if err != nil {
				t.Errorf("read the outbox: %v", err)
				return
			}
			if err := b.MarkPublished(t.Context(), positions(page)); err != nil {
				t.Errorf("mark: %v", err)
				return
			}
			sent = append(sent, page...)
			if len(page) > 0 {
				continue
			}
			if last {
				return
			}
			select {
			case <-done:
				last = true
			default:
			}
		}
	})
	for range writers {
		writing.Go(func() {
			for range appends {
				if _, err := b.Append(t.Context(), product, store.Any, events("e", 2)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	relay.Wait()
	equal(t, "versions sent", len(sent), writers*appends*2)
	noHoles(t, sent)
}
