package storetest

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func durableClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"everything is there after the store was closed and opened again", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			log := mustReadInOrder(t, b, product, other)
			if b.Outbox != nil {
				mustPublish(t, b, log[0].Position, log[3].Position)
			}
			if b.Snapshots != nil {
				mustWriteSnapshot(t, b, snapshot(product, 4, 2))
			}
			if b.Inbox != nil {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error { return change(ctx, b, tx) })
			}
			var consumers ledger
			if b.Consumers != nil {
				fillLedger(t, b)
				consumers = ledgerOf(t, b)
			}

			b = mustBeSubject(t, b.Reopen(t))
			equal(t, "streams", mustReadInOrder(t, b, product, other), log)
			if b.Log != nil {
				equal(t, "log", mustReadAll(t, b.Log), log)
			}
			if b.Outbox != nil {
				equal(t, "outbox", positions(mustUnpublished(t, b)), []int64{log[1].Position, log[2].Position, log[4].Position})
			}
			if b.Snapshots != nil {
				snap, tail := mustReadSnapshot(t, b, product, 4, all)
				equal(t, "snapshot", snap, snapshot(product, 4, 2))
				equal(t, "tail", tail, log[2:3])
			}
			if b.Inbox != nil {
				mustBeChanged(t, b)
			}
			if b.Consumers != nil {
				equal(t, "consumers", ledgerOf(t, b), consumers)
				equal(t, "last request", idsOf(consumers.Requests)[0] < mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause}), true)
			}
			_, err := b.Append(t.Context(), product, store.At(2), events("late", 1))
			mustConflict(t, err, product, store.At(2), 3)
			mustAppend(t, b, product, store.At(3), event("next"))
			ascending(t, log[4].Position, mustRead(t, b, product)[3:])
		}},
	}
}
