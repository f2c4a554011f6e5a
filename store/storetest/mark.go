package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func markClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"marks come back one for each stream asked, in that order, stored or not", func(t *testing.T, b subject[Tx]) {
			streams := []store.Stream{other, product, {Category: "order", ID: "1"}, {}, product}
			equal(t, "marks", marksOf(t, b, "consumer", streams...), []store.Mark{
				{Stream: other}, {Stream: product}, {Stream: streams[2]}, {}, {Stream: product},
			})
			mustSetMarks(t, b, "consumer", store.Mark{Stream: product, Version: 3})
			equal(t, "marks", marksOf(t, b, "consumer", streams...), []store.Mark{
				{Stream: other}, {Stream: product, Version: 3}, {Stream: streams[2]}, {}, {Stream: product, Version: 3},
			})
			equal(t, "marks of no stream", marksOf(t, b, "consumer"), []store.Mark{})
		}},
		{"a mark keeps the id of its event, and sets it back with the version", func(t *testing.T, b subject[Tx]) {
			for _, m := range []store.Mark{{Version: 5, EventID: "five"}, {Version: 3, EventID: "it's \"three\" 🛒"}, {Version: 4}} {
				m.Stream = product
				mustSetMarks(t, b, "a", m)
				equal(t, "marks", marksOf(t, b, "a", product, other), []store.Mark{m, {Stream: other}})
			}
		}},
		{"marks of two consumers do not touch", func(t *testing.T, b subject[Tx]) {
			mustSetMarks(t, b, "a", store.Mark{Stream: product, Version: 3})
			mustSetMarks(t, b, "A", store.Mark{Stream: product, Version: 5})
			equal(t, "mark of a", markOf(t, b, "a", product), 3)
			equal(t, "mark of A", markOf(t, b, "A", product), 5)
		}},
		{"SetMarks stores marks forwards and back, and does not look at Reason", func(t *testing.T, b subject[Tx]) {
			for _, v := range []int64{5, 3, 0, 1 << 62} {
				mustSetMarks(t, b, "a", store.Mark{Stream: product, Version: v, Reason: store.Gap})
				equal(t, "marks", marksOf(t, b, "a", product), []store.Mark{{Stream: product, Version: v}})
			}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.SetMarks(ctx, tx, "a", nil) })
		}},
		{"ids that differ in a byte have different marks and queues", func(t *testing.T, b subject[Tx]) {
			var streams []store.Stream
			var marks []store.Mark
			for i, id := range ids {
				s := store.Stream{Category: "product", ID: id}
				streams = append(streams, s)
				marks = append(marks, store.Mark{Stream: s, Version: int64(i) + 1, Reason: store.Waiting})
				mustSetQueue(t, b, queue("consumer", s, int64(i)+1), 0)
				mustEnqueue(t, b, "consumer", queued(s, int64(i)+1, "1"))
				mustSetMarks(t, b, "consumer", marks[i])
			}
			equal(t, "marks", marksOf(t, b, "consumer", streams...), marks)
			for i, s := range streams {
				equal(t, "queue of "+s.ID, queueOf(t, b, "consumer", s), []store.QueuedMessage{keptQueued(s, int64(i)+1, "1")})
			}
		}},
		{"the mark of a category, without an id, is a mark of its own", func(t *testing.T, b subject[Tx]) {
			category := store.Stream{Category: product.Category}
			mustSetMarks(t, b, "a", store.Mark{Stream: category, Version: 42}, store.Mark{Stream: product, Version: 1})
			equal(t, "marks", marksOf(t, b, "a", category, product), []store.Mark{{Stream: category, Version: 42}, {Stream: product, Version: 1}})
			equal(t, "mark of another consumer", markOf(t, b, "b", category), 0)
		}},
		{"thousands of marks are read and set at once", func(t *testing.T, b subject[Tx]) {
			marks := make([]store.Mark, 3000)
			streams := make([]store.Stream, len(marks))
			for i := range marks {
				streams[i] = store.Stream{Category: "product", ID: fmt.Sprint(i)}
				marks[i] = store.Mark{Stream: streams[i], Version: int64(i) + 1, EventID: fmt.Sprint("event-", i)}
			}
			mustSetMarks(t, b, "a", marks...)
			slices.Reverse(streams)
			slices.Reverse(marks)
			equal(t, "marks", marksOf(t, b, "a", streams...), marks)
		}},
		{"marks are locked: of concurrent additions none is lost", func(t *testing.T, b subject[Tx]) {
			const workers, rounds = 4, 25
			streams := []store.Stream{product, other, {}}
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					mine := slices.Clone(streams)
					if w%2 == 1 {
						slices.Reverse(mine) // locks taken in the caller's order would deadlock
					}
					for range rounds {
						if err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return addOne(ctx, b, tx, mine) }); err != nil {
							t.Errorf("transaction: %v", err)
							return
						}
					}
				})
			}
			wg.Wait()
			for _, m := range marksOf(t, b, "consumer", streams...) {
				equal(t, "mark of "+m.Stream.String(), m.Version, workers*rounds)
			}
		}},
		{"who waited for a mark sees the queue that was made and deleted meanwhile", func(t *testing.T, b subject[Tx]) {
			contend(t, b, func(ctx context.Context, tx Tx, _ int, want *guarded) error {
				mark, err := lookAgain(ctx, b, tx, want)
				if err != nil {
					return err
				}
				if mark.Reason == "" {
					mark.Reason = store.Gap
					want.set(mark)
					return b.SetQueue(ctx, tx, store.Queue{Consumer: "consumer", Stream: product, Version: 1, Reason: store.Gap}, 0)
				}
				mark.Reason = ""
				want.set(mark)
				return b.DeleteQueue(ctx, tx, "consumer", product)
			})
		}},
		{"who waited for a mark finds it at 0 when the consumer was forgotten meanwhile", func(t *testing.T, b subject[Tx]) {
			contend(t, b, func(ctx context.Context, tx Tx, worker int, want *guarded) error {
				if worker == 0 { // forgets without asking for the mark, as a rebuild does
					err := b.Reset(ctx, tx, "consumer")
					want.set(store.Mark{Stream: product})
					return err
				}
				mark, err := lookAgain(ctx, b, tx, want)
				if err != nil {
					return err
				}
				mark.Version++
				want.set(mark)
				return b.SetMarks(ctx, tx, "consumer", []store.Mark{mark})
			})
		}},
	}
}

func addOne[Tx any](ctx context.Context, b subject[Tx], tx Tx, streams []store.Stream) error {
	marks, err := b.Marks(ctx, tx, "consumer", streams)
	if err != nil {
		return err
	}
	for i := range marks {
		marks[i].Version++
	}
	return b.SetMarks(ctx, tx, "consumer", marks)
}

// contend runs work in many transactions at once, all on the mark of product.
// Work takes the lock and gives it the mark as it is then; want is what the
// transaction before it left, and becomes what this one leaves.
func contend[Tx any](t *testing.T, b subject[Tx], work func(ctx context.Context, tx Tx, worker int, want *guarded) error) {
	want := guarded{mark: store.Mark{Stream: product}}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for range 25 {
				err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return work(ctx, tx, worker, &want) })
				if err != nil {
					t.Errorf("transaction: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// guarded is a mark that the backend's lock protects. The mutex only tells the
// race detector, so that a backend without the lock fails by what it gives.
type guarded struct {
	mu   sync.Mutex
	mark store.Mark
}

func (g *guarded) get() store.Mark {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mark
}

func (g *guarded) set(m store.Mark) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mark = m
}

// lookAgain locks the mark of product and returns it, if it is what the
// transaction before left.
func lookAgain[Tx any](ctx context.Context, b subject[Tx], tx Tx, want *guarded) (store.Mark, error) {
	marks, err := b.Marks(ctx, tx, "consumer", []store.Stream{product})
	if err != nil {
		return store.Mark{}, err
	}
	if want := want.get(); marks[0] != want {
		return store.Mark{}, fmt.Errorf("the mark is %+v, the transaction before left %+v", marks[0], want)
	}
	return marks[0], nil
}
