package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// claimOf returns the claim that advances a segment of c.
func claimOf(c store.Consumer, segment int) store.Claim {
	s := c.Segments[segment]
	return store.Claim{Consumer: c.ConsumerID, Segment: segment, Epoch: s.Epoch, Position: s.Position}
}

func advanceClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"Advance moves one segment, to any progress, and changes nothing else", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 3), newConsumer(next, 3))
			mustSave(t, b, busyConsumer(board))
			want := keptConsumer(busyConsumer(board))
			at := want.Segments[1].Position
			for _, to := range []store.Progress{
				{Position: at + 5, EventID: "id-5"},
				{Position: at + 5, EventID: "id-5", Trying: at + 6, Tries: 1}, // where it stands already
				{Position: at + 5, EventID: "id-5", Forked: "the event at 5 is another"},
				{Position: 1 << 60, EventID: "id-é"},
			} {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					return b.Advance(ctx, tx, claimOf(want, 1), to, time.Hour)
				})
				got := mustLock(t, b, board)
				want.Segments[1].Progress = to
				want.Segments[1].LeaseUntil = got.Segments[1].LeaseUntil // has a clause of its own
				equal(t, "consumer", got, want)
			}
			equal(t, "next generation", mustLock(t, b, next), keptConsumer(newConsumer(next, 3)))
		}},
		{"Advance sets the end of the lease to that long from now, by the database's clock", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			for _, lease := range []time.Duration{time.Hour, 1500 * time.Millisecond, 0} { // longer or shorter than what is left
				c := mustLock(t, b, board)
				var before time.Time
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					before = clock(t, b) // the transaction may have begun long before
					return b.Advance(ctx, tx, claimOf(c, 0), store.Progress{}, lease)
				})
				between(t, "the end of the lease", mustLock(t, b, board).Segments[0].LeaseUntil, before, clock(t, b), lease)
			}
		}},
		{"Advance with a claim that is lost is ErrClaimLost and changes nothing", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 3), newConsumer(store.ConsumerID{Name: "old"}, 3), newConsumer(mail, 0))
			mustSave(t, b, busyConsumer(board))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				return b.RenameConsumer(ctx, tx, store.ConsumerID{Name: "old"}, "new")
			})
			good := claimOf(busyConsumer(board), 1)
			change := func(f func(*store.Claim)) store.Claim {
				claim := good
				f(&claim)
				return claim
			}
			before := mustList(t, b)
			for name, claim := range map[string]store.Claim{
				"an older epoch":                     change(func(c *store.Claim) { c.Epoch-- }),
				"a newer epoch":                      change(func(c *store.Claim) { c.Epoch++ }),
				"a position that it has left":        change(func(c *store.Claim) { c.Position-- }),
				"a position that it has not reached": change(func(c *store.Claim) { c.Position++ }),
				"the claim of another segment":       change(func(c *store.Claim) { c.Segment = 0 }),
				"a segment after the last":           change(func(c *store.Claim) { c.Segment = 3 }),
				"a segment before the first":         change(func(c *store.Claim) { c.Segment = -1 }),
				"another generation":                 change(func(c *store.Claim) { c.Consumer.Generation = 1 }),
				"a consumer that does not exist":     {Consumer: store.ConsumerID{Name: "nobody"}},
				"a consumer without segments":        {Consumer: mail},
				"the old name of a consumer":         {Consumer: store.ConsumerID{Name: "old"}},
			} {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					mustBe(t, name, b.Advance(ctx, tx, claim, store.Progress{Position: 1 << 50, EventID: "e"}, time.Hour), store.ErrClaimLost)
					return nil
				})
				equal(t, "consumers after "+name, mustList(t, b), before)
			}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				return b.Advance(ctx, tx, good, store.Progress{Position: 1 << 50, EventID: "e"}, time.Hour)
			})
		}},
		{"a second Advance in one transaction needs the new position", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				claim := store.Claim{Consumer: board}
				if err := b.Advance(ctx, tx, claim, store.Progress{Position: 1, EventID: "a"}, time.Hour); err != nil {
					return err
				}
				mustBe(t, "the old claim", b.Advance(ctx, tx, claim, store.Progress{Position: 2, EventID: "b"}, time.Hour), store.ErrClaimLost)
				claim.Position = 1
				return b.Advance(ctx, tx, claim, store.Progress{Position: 3, EventID: "c"}, time.Hour)
			})
			equal(t, "position", mustLock(t, b, board).Segments[0].Position, 3)
		}},
		{"a position commits together with the handler's writes", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			for n, fails := range []bool{true, false, true, false} {
				position, value := mustLock(t, b, board).Segments[0].Position, fmt.Sprint(n)
				err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
					if err := b.Put(ctx, tx, "key", value); err != nil {
						return err
					}
					claim := store.Claim{Consumer: board, Position: position}
					if err := b.Advance(ctx, tx, claim, store.Progress{Position: int64(n), EventID: "e"}, time.Hour); err != nil {
						return err
					}
					if fails {
						return errHandler
					}
					return nil
				})
				if fails {
					mustBe(t, "transaction", err, errHandler)
					value = map[int]string{0: "", 2: "1"}[n]
				} else {
					mustBe(t, "transaction", err, nil)
					position = int64(n)
				}
				mustHave(t, b, "key", value)
				equal(t, "position", mustLock(t, b, board).Segments[0].Position, position)
			}
		}},
	}
}
