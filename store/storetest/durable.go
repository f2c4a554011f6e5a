package storetest

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func durableClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"everything is there after the store was closed and opened again", func(t *testing.T, b Backend[Tx]) {
			if b.Reopen == nil {
				t.Skip("the backend has no Reopen: its data ends with the value")
			}
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			log := mustReadAll(t, b)
			mustPublish(t, b, log[0].Position, log[3].Position)
			mustWriteSnapshot(t, b, snapshot(product, 4, 2))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error { return change(ctx, b, tx) })

			b = b.Reopen(t)
			equal(t, "log", mustReadAll(t, b), log)
			equal(t, "outbox", positions(mustUnpublished(t, b)), []int64{log[1].Position, log[2].Position, log[4].Position})
			snap, tail := mustReadSnapshot(t, b, product, 4, all)
			equal(t, "snapshot", snap, snapshot(product, 4, 2))
			equal(t, "tail", tail, log[2:3])
			equal(t, "marks", marksOf(t, b, "consumer", product, other), []store.Mark{
				{Stream: product, Version: 7}, {Stream: other, Version: 2, Parked: true},
			})
			equal(t, "letters", parkedOf(t, b, "consumer", other), []store.DeadLetter{keptLetter("consumer", other, 3)})
			mustHave(t, b, "key", "value")
			_, err := b.Append(t.Context(), product, 2, events("late", 1))
			mustConflict(t, err, product, 2, 3)
			mustAppend(t, b, product, 3, event("next"))
			ascending(t, log[4].Position, mustRead(t, b, product)[3:])
		}},
	}
}
