package storetest

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/store"
)

// renameClauses are about consumers that get another name or go.
func renameClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"RenameConsumer moves a consumer with its parked streams and requests, and leaves a row that names the new one", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			mustSave(t, b, busyConsumer(board))
			mustSetParked(t, b, 0, parked(board, product), parked(board, other), parked(next, product))
			kept := mustListParked(t, b, board)
			mine := mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause})
			done := mustAdd(t, b, store.Request{Consumer: board, Action: store.Resume})
			theirs := mustAdd(t, b, store.Request{Consumer: next, Action: store.Pause})
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				if _, err := b.FinishRequest(ctx, tx, done, "done"); err != nil {
					return err
				}
				return b.RenameConsumer(ctx, tx, board, "view")
			})

			view := store.ConsumerID{Name: "view"}
			want := keptConsumer(busyConsumer(view))
			equal(t, "consumer", mustLock(t, b, view), want)
			for _, old := range []store.Consumer{mustList(t, b, board)[0], mustLock(t, b, board)} {
				equal(t, "row of the old name", old.RenamedTo, "view")
				equal(t, "segments of the old name", old.Segments, nil)
				equal(t, "members of the old name", old.Members, nil)
			}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				created, err := b.CreateConsumer(ctx, tx, newConsumer(board, 1))
				equal(t, "created under the old name", created, false)
				return err
			})
			equal(t, "other generation", mustLock(t, b, next), keptConsumer(newConsumer(next, 1)))
			for i := range kept {
				kept[i].Consumer = view
			}
			equal(t, "parked streams", mustListParked(t, b, view), kept)
			equal(t, "parked streams of the old name", mustListParked(t, b, board), nil)
			equal(t, "parked streams of the other generation", len(mustListParked(t, b, next)), 1)
			equal(t, "pending", idsOf(mustPending(t, b, view)), []int64{mine})
			equal(t, "pending of the old name", idsOf(mustPending(t, b, board)), nil)
			equal(t, "pending of the other generation", idsOf(mustPending(t, b, next)), []int64{theirs})
			equal(t, "requests", idsOf(mustListRequests(t, b, "view")), []int64{done, mine})
		}},
		{"RenameConsumer to a name that is taken is ErrConsumerExists, and nothing is written", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 2), newConsumer(mail, 1), newConsumer(store.ConsumerID{Name: "old"}, 1))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				return b.RenameConsumer(ctx, tx, store.ConsumerID{Name: "old"}, "new")
			})
			mustSetParked(t, b, 0, parked(board, product))
			before := ledgerOf(t, b)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				for _, name := range []string{"mail", "board", "old", "new"} {
					mustBe(t, "rename to "+name, b.RenameConsumer(ctx, tx, board, name), store.ErrConsumerExists)
				}
				return nil
			})
			equal(t, "everything", ledgerOf(t, b), before)
		}},
		{"DeleteConsumer removes a consumer and its parked streams, its requests stay, and the name is free again", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 2), newConsumer(next, 1))
			mustSave(t, b, busyConsumer(board))
			mustSetParked(t, b, 0, parked(board, product), parked(next, product))
			asked := mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause})
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				for range 2 { // the second time it is not there
					if err := b.DeleteConsumer(ctx, tx, board); err != nil {
						return err
					}
				}
				return nil
			})
			equal(t, "consumers", mustList(t, b), []store.Consumer{keptConsumer(newConsumer(next, 1))})
			equal(t, "parked streams", mustListParked(t, b, board), nil)
			equal(t, "parked streams of the other generation", len(mustListParked(t, b, next)), 1)
			equal(t, "requests", idsOf(mustListRequests(t, b, "board")), []int64{asked})
			mustCreate(t, b, newConsumer(board, 1))
			equal(t, "created again", mustLock(t, b, board), keptConsumer(newConsumer(board, 1)))
		}},
	}
}
