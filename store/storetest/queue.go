package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// queue returns the state of a stream's queue, in every field that a store keeps.
func queue(consumer string, s store.Stream, version int64) store.Queue {
	return store.Queue{Consumer: consumer, Stream: s, Version: version, Reason: store.Waiting, Error: "down", Attempts: 3}
}

// queued returns a message for a queue that uses every field.
func queued(s store.Stream, version int64, id string) store.QueuedMessage {
	m := store.Message{Event: event(id), Stream: s, Version: version, Position: 1000 + version}
	m.ID = id
	return store.QueuedMessage{Message: m, Source: "/shop", Previous: "the one before"}
}

// keptQueued returns queued as a store gives it back.
func keptQueued(s store.Stream, version int64, id string) store.QueuedMessage {
	m := queued(s, version, id)
	m.Time = time.UnixMicro(m.Time.UnixMicro()).UTC()
	return m
}

func mustSetQueue[Tx any](t tester, b subject[Tx], q store.Queue, retryAfter time.Duration) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.SetQueue(ctx, tx, q, retryAfter) })
}

func mustEnqueue[Tx any](t tester, b subject[Tx], consumer string, messages ...store.QueuedMessage) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.Enqueue(ctx, tx, consumer, messages) })
}

func queueOf[Tx any](t tester, b subject[Tx], consumer string, s store.Stream) (messages []store.QueuedMessage) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) (err error) {
		messages, err = b.Queued(ctx, tx, consumer, s, all)
		return err
	})
	return messages
}

func mustFindQueue[Tx any](t tester, b subject[Tx], consumer string, s store.Stream) (q store.Queue) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error {
		found, ok, err := b.FindQueue(ctx, tx, consumer, s)
		if err == nil && !ok {
			t.Fatalf("%s has no queue for %s", s, consumer)
		}
		q = found
		return err
	})
	return q
}

func mustListQueues[Tx any](t tester, b subject[Tx], consumer string, after store.Stream, limit int) []store.Queue {
	t.Helper()
	queues, err := b.ListQueues(t.Context(), consumer, after, limit)
	if err != nil {
		t.Fatalf("queues of %s: %v", consumer, err)
	}
	return queues
}

func mustDueQueues[Tx any](t tester, b subject[Tx], consumer string, limit int, categories ...string) []store.Stream {
	t.Helper()
	queues, err := b.DueQueues(t.Context(), consumer, categories, limit)
	if err != nil {
		t.Fatalf("due queues of %s: %v", consumer, err)
	}
	return streamsOfQueues(queues)
}

func streamsOfQueues(queues []store.Queue) []store.Stream {
	var streams []store.Stream
	for _, q := range queues {
		streams = append(streams, q.Stream)
	}
	return streams
}

// inboxCalls returns the methods of an inbox that open a transaction of their
// own, the old ones excepted.
func inboxCalls[Tx any](b subject[Tx], ctx context.Context, consumer string) map[string]func() error {
	return map[string]func() error{
		"DueQueues":       func() error { _, err := b.DueQueues(ctx, consumer, nil, 1); return err },
		"ListQueues":      func() error { _, err := b.ListQueues(ctx, consumer, store.Stream{}, 1); return err },
		"OrphanQueues":    func() error { _, err := b.OrphanQueues(ctx, consumer, nil, 0, 1); return err },
		"CountQueues":     func() error { _, err := b.CountQueues(ctx, consumer, nil); return err },
		"Incarnation":     func() error { _, err := b.Incarnation(ctx, consumer); return err },
		"ForgetOlder":     func() error { _, err := b.ForgetOlder(ctx, consumer, 0, 1); return err },
		"ListDeadLetters": func() error { _, err := b.ListDeadLetters(ctx, consumer, 0, 1); return err },
		"TrimDeadLetters": func() error { _, err := b.TrimDeadLetters(ctx, consumer, 0); return err },
	}
}

func queueClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a queue comes back whole, and a second one replaces all of it but its age", func(t *testing.T, b subject[Tx]) {
			began := time.Now()
			mustSetQueue(t, b, queue("c", product, 4), 0)
			first := mustFindQueue(t, b, "c", product)
			if age := first.Since.Sub(began); age < -time.Minute || age > time.Minute {
				t.Errorf("since %v, set at %v", first.Since, began)
			}
			want := queue("c", product, 4)
			want.NextTry, want.Since, want.Due = first.NextTry, first.Since, true
			equal(t, "queue", first, want)

			changed := store.Queue{Consumer: "c", Stream: product, Version: 5, Reason: store.Poison, Error: "worse", Attempts: 4}
			mustSetQueue(t, b, changed, time.Hour)
			second := mustFindQueue(t, b, "c", product)
			if later := second.NextTry.Sub(first.NextTry); later < 59*time.Minute || later > 61*time.Minute {
				t.Errorf("the next try is %v after the first, want an hour", later)
			}
			changed.NextTry, changed.Since = second.NextTry, first.Since
			equal(t, "queue", second, changed)
			equal(t, "queues", mustListQueues(t, b, "c", store.Stream{}, all), []store.Queue{changed})
			equal(t, "marks", marksOf(t, b, "c", other, product), []store.Mark{{Stream: other}, {Stream: product, Reason: store.Poison}})
		}},
		{"a stream that flows has no queue", func(t *testing.T, b subject[Tx]) {
			mustSetQueue(t, b, queue("c", product, 1), 0)
			mustEnqueue(t, b, "c", queued(product, 1, "1"), queued(product, 2, "2"))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				for _, s := range []struct {
					consumer string
					stream   store.Stream
				}{{"d", product}, {"c", other}} {
					if _, ok, err := b.FindQueue(ctx, tx, s.consumer, s.stream); ok || err != nil {
						t.Errorf("%s has a queue for %s, error %v", s.stream, s.consumer, err)
					}
				}
				for range 2 {
					if err := b.DeleteQueue(ctx, tx, "c", product); err != nil {
						return err
					}
				}
				_, ok, err := b.FindQueue(ctx, tx, "c", product)
				if ok {
					t.Error("a deleted queue is found")
				}
				return err
			})
			equal(t, "messages", len(queueOf(t, b, "c", product)), 0)
			mustSetQueue(t, b, queue("c", product, 3), 0)
			equal(t, "messages of the next queue", len(queueOf(t, b, "c", product)), 0)
		}},
		{"queued messages come back whole, in ascending order of version and id, up to the limit", func(t *testing.T, b subject[Tx]) {
			for _, s := range []store.Stream{product, other, {Category: "product:arrivals", ID: "p-1"}} {
				mustSetQueue(t, b, queue("c", s, 1), 0)
				mustSetQueue(t, b, queue("d", s, 1), 0)
			}
			mustEnqueue(t, b, "c", queued(product, 11, "a"), queued(product, 9, "b"), queued(other, 1, "c"), queued(product, 9, "a"), queued(product, 100, "B"))
			mustEnqueue(t, b, "c")
			mustEnqueue(t, b, "d", queued(product, 1, "a"))
			mustEnqueue(t, b, "c", queued(store.Stream{Category: "product:arrivals", ID: "p-1"}, 1, "z"))
			want := []store.QueuedMessage{keptQueued(product, 9, "a"), keptQueued(product, 9, "b"), keptQueued(product, 11, "a"), keptQueued(product, 100, "B")}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				for limit := -1; limit < 6; limit++ {
					got, err := b.Queued(ctx, tx, "c", product, limit)
					if err != nil {
						return err
					}
					equal(t, "messages", got, want[:max(0, min(limit, 4))])
				}
				return nil
			})
			q := mustFindQueue(t, b, "c", product)
			equal(t, "count and last version", []int64{q.Messages, q.Last}, []int64{4, 100})
			equal(t, "arrivals", len(queueOf(t, b, "c", store.Stream{Category: "product:arrivals", ID: "p-1"})), 1)
		}},
		{"a message that is queued twice stays as it was", func(t *testing.T, b subject[Tx]) {
			mustSetQueue(t, b, queue("c", product, 1), 0)
			again := queued(product, 1, "1")
			again.Type, again.Data, again.Source = "another", []byte("another"), "another"
			mustEnqueue(t, b, "c", queued(product, 1, "1"), again)
			mustEnqueue(t, b, "c", again)
			equal(t, "messages", queueOf(t, b, "c", product), []store.QueuedMessage{keptQueued(product, 1, "1")})
		}},
		{"a message without a time, metadata and data comes back so", func(t *testing.T, b subject[Tx]) {
			mustSetQueue(t, b, queue("c", product, 1), 0)
			plain := store.QueuedMessage{Message: store.Message{Event: store.Event{ID: "1", Type: "t", ContentType: "c"}, Stream: product, Version: 1}}
			mustEnqueue(t, b, "c", plain)
			equal(t, "messages", queueOf(t, b, "c", product), []store.QueuedMessage{plain})
			if got := queueOf(t, b, "c", product)[0].Time; !got.IsZero() {
				t.Errorf("the time is %v", got)
			}
		}},
		{"Dequeue removes the messages up to a version, and the queue stays", func(t *testing.T, b subject[Tx]) {
			for _, consumer := range []string{"c", "d"} {
				mustSetQueue(t, b, queue(consumer, product, 1), 0)
				mustSetQueue(t, b, queue(consumer, other, 1), 0)
				mustEnqueue(t, b, consumer, queued(product, 1, "1"), queued(product, 2, "2"), queued(product, 2, "3"), queued(product, 3, "3"), queued(other, 1, "1"))
			}
			for _, up := range []struct {
				to   int64
				left int
			}{{0, 4}, {1, 3}, {2, 1}, {2, 1}, {1 << 62, 0}} {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.Dequeue(ctx, tx, "c", product, up.to) })
				equal(t, fmt.Sprint("messages after ", up.to), len(queueOf(t, b, "c", product)), up.left)
			}
			q := mustFindQueue(t, b, "c", product)
			equal(t, "count and last version", []int64{q.Messages, q.Last}, []int64{0, 0})
			equal(t, "others", []int{len(queueOf(t, b, "c", other)), len(queueOf(t, b, "d", product))}, []int{1, 4})
		}},
		{"queues that retry are due when their time has come, the oldest first", func(t *testing.T, b subject[Tx]) {
			var want []store.Stream
			for i, after := range []time.Duration{-time.Minute, -time.Hour, time.Hour, -time.Second} {
				s := store.Stream{Category: "product", ID: fmt.Sprint(i)}
				q := queue("c", s, 1)
				q.Reason = []store.Reason{store.Waiting, store.Unknown}[i%2]
				mustSetQueue(t, b, q, after)
				want = append(want, s)
			}
			for i, reason := range []store.Reason{store.Gap, store.Poison, store.Forked} {
				q := queue("c", store.Stream{Category: "product", ID: fmt.Sprint("no", i)}, 1)
				q.Reason = reason
				mustSetQueue(t, b, q, -time.Hour)
			}
			elsewhere := store.Stream{Category: "order", ID: "1"}
			mustSetQueue(t, b, queue("c", elsewhere, 1), -2*time.Hour)
			mustSetQueue(t, b, queue("d", product, 1), -time.Hour)
			due := []store.Stream{want[1], want[0], want[3]}
			equal(t, "due", mustDueQueues(t, b, "c", all, "product"), due)
			equal(t, "due of two categories", mustDueQueues(t, b, "c", all, "product", "order"), append([]store.Stream{elsewhere}, due...))
			equal(t, "due, up to a limit", mustDueQueues(t, b, "c", 1, "product"), due[:1])
			equal(t, "due, up to none", len(mustDueQueues(t, b, "c", -1, "product")), 0)
			if q := mustFindQueue(t, b, "c", want[2]); q.Due {
				t.Error("a queue is due before its time")
			}
		}},
		{"ListQueues gives each queue once, paged in byte order", func(t *testing.T, b subject[Tx]) {
			var want []store.Stream
			for _, category := range []string{"b", "B", "a", "a:arrivals"} {
				for _, id := range ids {
					s := store.Stream{Category: category, ID: id}
					want = append(want, s)
					mustSetQueue(t, b, queue("c", s, 7), 0)
					mustSetQueue(t, b, queue("d", s, 7), 0)
				}
			}
			slices.SortFunc(want, func(x, y store.Stream) int {
				return cmp.Or(cmp.Compare(x.Category, y.Category), cmp.Compare(x.ID, y.ID))
			})
			for _, limit := range []int{1, 7, all} {
				var got []store.Stream
				for after := (store.Stream{}); ; after = got[len(got)-1] {
					page := mustListQueues(t, b, "c", after, limit)
					if len(page) == 0 {
						break
					}
					got = append(got, streamsOfQueues(page)...)
				}
				equal(t, fmt.Sprintf("streams in pages of %d", limit), got, want)
			}
		}},
		{"orphans are the gaps of streams without a mark, the newest first, after those that are spared", func(t *testing.T, b subject[Tx]) {
			var newest []store.Stream
			for i := range 4 {
				s := store.Stream{Category: "product", ID: fmt.Sprint(i)}
				mustSetQueue(t, b, store.Queue{Consumer: "c", Stream: s, Version: 1, Reason: store.Gap}, 0)
				newest = append([]store.Stream{s}, newest...)
				time.Sleep(2 * time.Millisecond) // so that no two have one age
			}
			mustSetQueue(t, b, store.Queue{Consumer: "c", Stream: product, Version: 2, Reason: store.Gap}, 0)
			mustSetQueue(t, b, store.Queue{Consumer: "c", Stream: other, Version: 1, Reason: store.Waiting}, 0)
			mustSetQueue(t, b, store.Queue{Consumer: "d", Stream: other, Version: 1, Reason: store.Gap}, 0)
			for _, c := range []struct{ spared, limit, from, to int }{{0, all, 0, 4}, {3, all, 3, 4}, {1, 2, 1, 3}, {4, all, 4, 4}, {0, -1, 0, 0}} {
				got, err := b.OrphanQueues(t.Context(), "c", []string{"product"}, c.spared, c.limit)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, fmt.Sprintf("orphans: %+v", c), streamsOfQueues(got), newest[c.from:c.to])
			}
			got, err := b.OrphanQueues(t.Context(), "c", []string{"order"}, 0, all)
			if len(got) != 0 || err != nil {
				t.Errorf("orphans of another category: %v, %v", got, err)
			}
		}},
		{"queues are counted by reason, and their messages", func(t *testing.T, b subject[Tx]) {
			none, err := b.CountQueues(t.Context(), "c", []string{"product"})
			if err != nil || len(none.Streams) != 0 || none.Messages != 0 || !none.Oldest.IsZero() {
				t.Errorf("counted %+v, %v in an empty inbox", none, err)
			}
			mustSetQueue(t, b, store.Queue{Consumer: "c", Stream: product, Version: 2, Reason: store.Gap}, 0)
			oldest := mustFindQueue(t, b, "c", product).Since
			for i := range 3 {
				mustSetQueue(t, b, queue("c", store.Stream{Category: "product:arrivals", ID: fmt.Sprint(i)}, 2), 0)
			}
			mustSetQueue(t, b, queue("c", store.Stream{Category: "order", ID: "1"}, 2), 0)
			mustSetQueue(t, b, queue("d", other, 2), 0)
			mustEnqueue(t, b, "c", queued(product, 3, "3"), queued(product, 4, "4"), queued(store.Stream{Category: "order", ID: "1"}, 2, "2"))
			mustEnqueue(t, b, "d", queued(other, 2, "2"))
			counts, err := b.CountQueues(t.Context(), "c", []string{"product", "product:arrivals"})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "counts", counts, store.QueueCounts{
				Streams: map[store.Reason]int64{store.Gap: 1, store.Waiting: 3}, Oldest: oldest, Messages: 2,
			})
		}},
		{"a queue takes an error of any text", func(t *testing.T, b subject[Tx]) {
			for _, text := range []string{"broken \xff UTF-8", "a NUL \x00 inside", "lines\r\n\tand 'quotes' \"🛒\""} {
				q := queue("c", product, 1)
				q.Error = text
				mustSetQueue(t, b, q, 0)
				if got := mustFindQueue(t, b, "c", product).Error; len(got) < 5 || got[:5] != text[:5] {
					t.Fatalf("set %q, got back %q", text, got)
				}
			}
		}},
		{"a store keeps nothing of a message that is queued, and shares nothing of one that it gives", func(t *testing.T, b subject[Tx]) {
			mustSetQueue(t, b, queue("c", product, 1), 0)
			m := queued(product, 1, "1")
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				defer spoil(&m.Event) // before the commit
				return b.Enqueue(ctx, tx, "c", []store.QueuedMessage{m})
			})
			for range 2 {
				got := queueOf(t, b, "c", product)
				equal(t, "messages", got, []store.QueuedMessage{keptQueued(product, 1, "1")})
				spoil(&got[0].Event)
			}
		}},
	}
}
