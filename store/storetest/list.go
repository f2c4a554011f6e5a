package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func listClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"ListConsumers returns all consumers in byte order of name and in order of generation, or those that are named", func(t *testing.T, b subject[Tx]) {
			equal(t, "no consumers", mustList(t, b), nil)
			var want []store.Consumer
			for _, id := range []store.ConsumerID{
				{Name: "B"}, {Name: "_"}, {Name: "a"}, {Name: "a", Generation: 2}, {Name: "a", Generation: 10}, {Name: "a-b"}, {Name: "a0"}, {Name: "b"},
			} {
				c := newConsumer(id, len(want)%3) // some have no segments
				want = append(want, keptConsumer(c))
			}
			for _, i := range []int{5, 2, 7, 0, 4, 3, 1, 6} {
				mustCreate(t, b, want[i])
			}
			equal(t, "consumers", mustList(t, b), want)
			equal(t, "named consumers", mustList(t, b,
				want[4].ConsumerID, mail, want[0].ConsumerID, want[4].ConsumerID, store.ConsumerID{Name: "b", Generation: 1},
			), []store.Consumer{want[0], want[4]})
			equal(t, "consumers that are not there", mustList(t, b, mail), nil)
		}},
		{"ListConsumers returns the database's time", func(t *testing.T, b subject[Tx]) {
			// The clock may differ from this process's, but it does not go back, and
			// it goes on.
			first := clock(t, b)
			equal(t, "zone of the time", first.Location(), time.UTC)
			if first.Before(noon) {
				t.Fatalf("the time is %v", first)
			}
			for last := first; !last.After(first); { // a clock that stands still hangs here
				now := clock(t, b)
				if now.Before(last) {
					t.Fatalf("the time went back from %v to %v", last, now)
				}
				last = now
			}
		}},
		{"ListConsumers sees committed changes only, and waits for no lock", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			want := mustList(t, b)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				if _, _, err := b.LockConsumer(ctx, tx, board); err != nil {
					return err
				}
				if err := b.SaveConsumer(ctx, tx, busyConsumer(board)); err != nil {
					return err
				}
				if _, err := b.CreateConsumer(ctx, tx, newConsumer(mail, 1)); err != nil {
					return err
				}
				equal(t, "listed before the commit", mustList(t, b), want)
				return nil
			})
			equal(t, "listed after the commit", mustList(t, b), []store.Consumer{keptConsumer(busyConsumer(board)), keptConsumer(newConsumer(mail, 1))})
		}},
		{"ListConsumers is one consistent view while consumers change", func(t *testing.T, b subject[Tx]) {
			const changes = 30 // that each reader sees
			mustCreate(t, b, newConsumer(board, 3), newConsumer(mail, 2))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			var writing, reading sync.WaitGroup
			writing.Go(func() {
				defer cancel() // readers do not wait for the changes of a writer that failed
				for n := int64(1); ; n++ {
					select {
					case <-done:
						return
					default:
					}
					if err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return moveTo(ctx, b, tx, n, board, mail) }); err != nil {
						t.Errorf("transaction: %v", err)
						return
					}
				}
			})
			for range 3 {
				reading.Go(func() {
					var last int64
					for seen := 0; seen < changes; {
						consumers, _, err := b.ListConsumers(ctx)
						if err != nil || len(consumers) != 2 || len(consumers[0].Segments) != 3 || len(consumers[1].Segments) != 2 {
							t.Errorf("listed %+v, error %v", consumers, err)
							return
						}
						for _, c := range consumers {
							for i, segment := range c.Segments {
								if segment.Position != consumers[0].Rebuild {
									t.Errorf("segment %d of %s is at %d in a view where consumer board is at %d", i, c.Name, segment.Position, consumers[0].Rebuild)
									return
								}
							}
						}
						if consumers[0].Rebuild != last {
							seen, last = seen+1, consumers[0].Rebuild
						}
					}
				})
			}
			reading.Wait()
			close(done)
			writing.Wait()
		}},
		{"a store keeps nothing of a consumer that it is given, and shares nothing of one that it returns", func(t *testing.T, b subject[Tx]) {
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				c := newConsumer(board, 1)
				defer spoilConsumer(&c) // before the commit
				_, err := b.CreateConsumer(ctx, tx, c)
				return err
			})
			want := keptConsumer(newConsumer(board, 1))
			for range 2 {
				c, listed := mustLock(t, b, board), mustList(t, b)
				equal(t, "locked", c, want)
				equal(t, "listed", listed, []store.Consumer{want})
				spoilConsumer(&c)
				spoilConsumer(&listed[0])
			}
			want = keptConsumer(busyConsumer(board))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				c, _, err := b.LockConsumer(ctx, tx, board)
				if err != nil {
					return err
				}
				spoilConsumer(&c)
				c = busyConsumer(board)
				order := c.Members[0].Name
				defer spoilConsumer(&c) // before the commit
				err = b.SaveConsumer(ctx, tx, c)
				equal(t, "first member of the input", c.Members[0].Name, order)
				return err
			})
			equal(t, "saved", mustLock(t, b, board), want)
		}},
	}
}

// moveTo moves consumers and all their segments to n.
func moveTo[Tx any](ctx context.Context, b subject[Tx], tx Tx, n int64, ids ...store.ConsumerID) error {
	for _, id := range ids {
		c, _, err := b.LockConsumer(ctx, tx, id)
		if err != nil {
			return err
		}
		c.Rebuild = n
		for i := range c.Segments {
			c.Segments[i].Position = n
		}
		if err := b.SaveConsumer(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

// spoilConsumer overwrites everything that c points to.
func spoilConsumer(c *store.Consumer) {
	for i := range c.Categories {
		c.Categories[i] = "spoilt"
	}
	for i := range c.Segments {
		c.Segments[i] = store.Segment{Owner: "spoilt"}
	}
	for i := range c.Members {
		c.Members[i] = store.Member{Name: "spoilt"}
	}
}
