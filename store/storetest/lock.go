package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func lockClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"of concurrent CreateConsumer calls one creates, and the others then see its consumer", func(t *testing.T, b subject[Tx]) {
			for round := range 10 {
				id := store.ConsumerID{Name: fmt.Sprint(round)}
				var created atomic.Int64
				var wg sync.WaitGroup
				for range 6 {
					wg.Go(func() {
						err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
							ok, err := b.CreateConsumer(ctx, tx, newConsumer(id, 2))
							if err != nil {
								return err
							}
							if ok {
								created.Add(1)
							}
							c, _, err := b.LockConsumer(ctx, tx, id)
							if err == nil && len(c.Segments) != 2 {
								err = fmt.Errorf("it has %d segments", len(c.Segments))
							}
							return err
						})
						if err != nil {
							t.Errorf("create %s: %v", id.Name, err)
						}
					})
				}
				wg.Wait()
				equal(t, "creators", created.Load(), 1)
			}
		}},
		{"a CreateConsumer behind one that rolls back creates", func(t *testing.T, b subject[Tx]) {
			for round := range 10 {
				id := store.ConsumerID{Name: fmt.Sprint(round)}
				create := func(ctx context.Context, tx Tx) error {
					created, err := b.CreateConsumer(ctx, tx, newConsumer(id, 1))
					if err == nil && !created {
						err = errors.New("it was not created")
					}
					return err
				}
				behind(t, b, errHandler, create, create)
			}
			equal(t, "consumers", len(mustList(t, b)), 10)
		}},
		{"LockConsumer waits for a transaction that has the lock, and then returns what it left", func(t *testing.T, b subject[Tx]) {
			for _, segments := range []int{0, 2} {
				id := store.ConsumerID{Name: "board", Generation: segments}
				mustCreate(t, b, newConsumer(id, segments))
				var left baton
				takeTurns(t, b, func(ctx context.Context, tx Tx, _ int) error {
					c, _, err := b.LockConsumer(ctx, tx, id)
					if err != nil {
						return err
					}
					if err := allAt(c, c.Rebuild); err != nil {
						return err
					}
					n, err := left.next("the consumer", c.Rebuild)
					if err != nil {
						return err
					}
					c.Rebuild = n
					for i := range c.Segments {
						c.Segments[i].Position = n
					}
					c.Members = []store.Member{{Name: fmt.Sprint(n)}}
					return b.SaveConsumer(ctx, tx, c)
				})
				equal(t, "changes", mustLock(t, b, id).Rebuild, 100)
			}
		}},
		{"Advance and LockConsumer wait for each other, and no position is lost by SaveConsumer", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 2))
			var left baton
			takeTurns(t, b, func(ctx context.Context, tx Tx, worker int) error {
				if worker == 0 { // another process that works on the consumer
					c, _, err := b.LockConsumer(ctx, tx, board)
					if err != nil {
						return err
					}
					if at := c.Segments[1].Position; at != left.get() {
						return fmt.Errorf("the locked position is %d, the transaction before left %d", at, left.get())
					}
					c.Members = append(c.Members, store.Member{Name: fmt.Sprint(len(c.Members))})
					return b.SaveConsumer(ctx, tx, c)
				}
				// The claim is lost only when another Advance was first.
				claim := store.Claim{Consumer: board, Segment: 1, Position: left.get()}
				to := store.Progress{Position: claim.Position + 1, EventID: "e"}
				if err := b.Advance(ctx, tx, claim, to, time.Hour); err != nil {
					return err
				}
				_, err := left.next("the position that was advanced", claim.Position)
				return err
			})
			c := mustLock(t, b, board)
			equal(t, "position", c.Segments[1].Position, 75)
			equal(t, "members", len(c.Members), 25)
		}},
		{"a RenameConsumer behind one that takes its new name is ErrConsumerExists, and renames when that one rolls back", func(t *testing.T, b subject[Tx]) {
			for i, end := range []error{errHandler, nil} { // each round has a generation of its own
				mine, yours := store.ConsumerID{Name: "mine", Generation: i}, store.ConsumerID{Name: "yours", Generation: i}
				mustCreate(t, b, newConsumer(mine, 1), newConsumer(yours, 1))
				behind(t, b, end, func(ctx context.Context, tx Tx) error {
					return b.RenameConsumer(ctx, tx, mine, "taken")
				}, func(ctx context.Context, tx Tx) error {
					err := b.RenameConsumer(ctx, tx, yours, "taken")
					if end == nil && !errors.Is(err, store.ErrConsumerExists) {
						return fmt.Errorf("the rename to a name that was taken gives %v, want ErrConsumerExists", err)
					}
					if end == nil {
						return nil
					}
					return err
				})
			}
		}},
		{"a call that waits for a lock of a consumer stops waiting when its context ends", func(t *testing.T, b subject[Tx]) {
			request := fillLedger(t, b)
			for _, name := range []string{"SaveConsumer", "Advance", "CreateConsumer", "FinishRequest", "DeleteParked"} {
				stopsWaiting(t, b, name, func(ctx context.Context, tx Tx) error { return consumerChanges(b, tx, request)[name](ctx) })
			}
		}},
		{"an Advance behind a transaction that takes the segment away loses its claim", func(t *testing.T, b subject[Tx]) {
			for name, take := range map[string]func(ctx context.Context, tx Tx, c store.Consumer) error{
				"claim": func(ctx context.Context, tx Tx, c store.Consumer) error {
					c.Segments[0].Epoch++
					return b.SaveConsumer(ctx, tx, c)
				},
				"rewind": func(ctx context.Context, tx Tx, c store.Consumer) error {
					c.Segments[0].Position = 0
					return b.SaveConsumer(ctx, tx, c)
				},
				"remove": func(ctx context.Context, tx Tx, c store.Consumer) error {
					return b.DeleteConsumer(ctx, tx, c.ConsumerID)
				},
				"rename": func(ctx context.Context, tx Tx, c store.Consumer) error {
					return b.RenameConsumer(ctx, tx, c.ConsumerID, "renamed")
				},
				"shrink": func(ctx context.Context, tx Tx, c store.Consumer) error {
					c.Segments = nil
					return b.SaveConsumer(ctx, tx, c)
				},
			} {
				c := newConsumer(store.ConsumerID{Name: name}, 1)
				c.Segments[0].Progress = store.Progress{Position: 7, EventID: "e"}
				mustCreate(t, b, c)
				behind(t, b, nil, func(ctx context.Context, tx Tx) error {
					locked, _, err := b.LockConsumer(ctx, tx, c.ConsumerID)
					if err != nil {
						return err
					}
					return take(ctx, tx, locked)
				}, func(ctx context.Context, tx Tx) error {
					err := b.Advance(ctx, tx, claimOf(c, 0), store.Progress{Position: 8, EventID: "f"}, time.Hour)
					if !errors.Is(err, store.ErrClaimLost) {
						return fmt.Errorf("after %s Advance gives %v, want ErrClaimLost", name, err)
					}
					return nil
				})
			}
		}},
		{"FindParked waits for a transaction that has the rows, and then returns what it left", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			first := parked(board, product)
			first.Attempts = 0
			mustSetParked(t, b, 0, first)
			var left baton
			takeTurns(t, b, func(ctx context.Context, tx Tx, _ int) error {
				rows, err := b.FindParked(ctx, tx, board, []store.Stream{product})
				if err != nil || len(rows) != 1 {
					return fmt.Errorf("%d rows, error %w", len(rows), err)
				}
				n, err := left.next("the number of attempts", int64(rows[0].Attempts))
				if err != nil {
					return err
				}
				rows[0].Attempts = int(n)
				return b.SetParked(ctx, tx, rows[0], 0)
			})
		}},
		{"of concurrent FinishRequest calls one finishes", func(t *testing.T, b subject[Tx]) {
			for range 10 {
				id := mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause})
				var finished atomic.Int64
				var wg sync.WaitGroup
				for range 6 {
					wg.Go(func() {
						err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
							ok, err := b.FinishRequest(ctx, tx, id, "done")
							if ok {
								finished.Add(1)
							}
							return err
						})
						if err != nil {
							t.Errorf("finish: %v", err)
						}
					})
				}
				wg.Wait()
				equal(t, "finished", finished.Load(), 1)
			}
		}},
		{"a FinishRequest behind one that rolls back finishes", func(t *testing.T, b subject[Tx]) {
			for range 10 {
				id := mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause})
				finish := func(ctx context.Context, tx Tx) error {
					finished, err := b.FinishRequest(ctx, tx, id, "done")
					if err == nil && !finished {
						err = errors.New("it was not finished")
					}
					return err
				}
				behind(t, b, errHandler, finish, finish)
			}
		}},
	}
}

// allAt checks that everything that a turn saves is of one turn.
func allAt(c store.Consumer, n int64) error {
	ok := n == 0 && len(c.Members) == 0 || len(c.Members) == 1 && c.Members[0].Name == fmt.Sprint(n)
	for _, segment := range c.Segments {
		ok = ok && segment.Position == n
	}
	if !ok {
		return fmt.Errorf("the parts of the consumer are of several transactions: %+v", c)
	}
	return nil
}
