package storetest

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/store"
)

// spoil overwrites everything that e points to.
func spoil(e *store.Event) {
	for i := range e.Data {
		e.Data[i] = '#'
	}
	for k := range e.Metadata.Fields {
		e.Metadata.Fields[k] = "spoilt"
	}
	e.Metadata.Fields["new"] = "spoilt"
}

func ownershipClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"an append changes nothing of its input", func(t *testing.T, b Backend[Tx]) {
			batch := events("a", 3)
			mustAppend(t, b, product, store.NoStream, batch...)
			equal(t, "input", batch, events("a", 3))
			equal(t, "zone of the input", batch[0].Time.Location().String(), noon.Location().String())
		}},
		{"a store keeps nothing of its input", func(t *testing.T, b Backend[Tx]) {
			batch := events("a", 2)
			mustAppend(t, b, product, store.NoStream, batch...)
			snap := snapshot(product, 1, 1)
			mustWriteSnapshot(t, b, snap)
			d := letter("c", product, 1)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				defer spoil(&d.Message.Event) // before the commit
				return b.Park(ctx, tx, d)
			})
			spoil(&batch[0])
			batch[1] = event("another")
			copy(snap.Data, "#####")

			equalMessages(t, "stream", mustRead(t, b, product), page(product, 0, events("a", 2)))
			got, _ := mustReadSnapshot(t, b, product, 1, 1)
			equal(t, "snapshot", got, snapshot(product, 1, 1))
			equal(t, "letters", parkedOf(t, b, "c", product), []store.DeadLetter{keptLetter("c", product, 1)})
		}},
		{"a store shares nothing of its output", func(t *testing.T, b Backend[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			mustWriteSnapshot(t, b, snapshot(product, 1, 1))
			mustPark(t, b, letter("c", product, 1))
			for range 2 {
				snap, tail := mustReadSnapshot(t, b, product, 1, 5)
				equal(t, "snapshot", snap, snapshot(product, 1, 1))
				copy(snap.Data, "#####")
				equalMessages(t, "tail", tail, page(product, 1, []store.Event{event("a-2")}))
				for _, messages := range [][]store.Message{mustRead(t, b, product), mustReadAll(t, b), mustUnpublished(t, b)} {
					equalMessages(t, "messages", messages, page(product, 0, events("a", 2)))
					spoil(&messages[0].Event)
					spoil(&messages[1].Event)
				}
				for _, letters := range [][]store.DeadLetter{parkedOf(t, b, "c", product), mustParkedStreams(t, b, "c", store.Stream{}, 5)} {
					equal(t, "letters", letters, []store.DeadLetter{keptLetter("c", product, 1)})
					spoil(&letters[0].Message.Event)
				}
				spoil(&tail[0].Event)
			}
		}},
	}
}
