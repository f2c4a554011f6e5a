package storetest

import (
	"fmt"
	"testing"

	"github.com/eventus-go/eventus/store"
)

// rewindClauses are about events that are lost.
func rewindClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"an append behind an event that is lost is a conflict, whatever stands there now", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 5)...)
			b.Rewind(t, mustRead(t, b, product)[2].Position)
			mustAppend(t, b, product, store.After(3, "id-a-3"), events("b", 2)...)
			_, err := b.Append(t.Context(), product, store.After(5, "id-a-5"), events("c", 1))
			mustConflict(t, err, product, store.After(5, "id-a-5"), 5)
			equalMessages(t, "stream", mustRead(t, b, product), page(product, 0, append(events("a", 3), events("b", 2)...)))
		}},
		{"a snapshot newer than its stream is not returned, and an older one replaces it", func(t *testing.T, b subject[Tx]) {
			batch := events("a", 5)
			mustAppend(t, b, product, store.NoStream, batch...)
			mustWriteSnapshot(t, b, snapshot(product, 1, 5))
			b.Rewind(t, mustRead(t, b, product)[2].Position)
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "snapshot", snap, store.Snapshot{Stream: product, Schema: 1})
			equalMessages(t, "tail", tail, page(product, 0, batch[:3]))
			mustWriteSnapshot(t, b, snapshot(product, 1, 2))
			snap, tail = mustReadSnapshot(t, b, product, 1, all)
			equal(t, "snapshot", snap, snapshot(product, 1, 2))
			equalMessages(t, "tail", tail, page(product, 2, batch[2:3]))
		}},
		{"a snapshot of a stream that grew again with other events is not returned, and any replaces it", func(t *testing.T, b subject[Tx]) {
			for _, version := range []int64{4, 5, 6} {
				s := store.Stream{Category: "product", ID: fmt.Sprint(version)}
				mustAppend(t, b, s, store.NoStream, events("a", 5)...)
				mustWriteSnapshot(t, b, snapshot(s, 1, 5))
				b.Rewind(t, mustRead(t, b, s)[2].Position)
				mustAppend(t, b, s, store.At(3), events("b", 4)...)
				snap, tail := mustReadSnapshot(t, b, s, 1, all)
				equal(t, "version", snap.Version, 0)
				equalMessages(t, "tail", tail, page(s, 0, append(events("a", 3), events("b", 4)...)))
				mustWriteSnapshot(t, b, snapshot(s, 1, version))
				snap, _ = mustReadSnapshot(t, b, s, 1, all)
				equal(t, "version, after a snapshot of events that are lost", snap.Version, 0)
				grown := snapshot(s, 1, version)
				grown.EventID = fmt.Sprintf("id-b-%d", version-3)
				mustWriteSnapshot(t, b, grown)
				snap, _ = mustReadSnapshot(t, b, s, 1, all)
				equal(t, "snapshot", snap, grown)
			}
		}},
		{"a snapshot stays when only later events are lost", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 5)...)
			mustWriteSnapshot(t, b, snapshot(product, 1, 3))
			b.Rewind(t, mustRead(t, b, product)[2].Position)
			mustWriteSnapshot(t, b, snapshot(product, 1, 2))
			mustAppend(t, b, product, store.At(3), events("b", 2)...)
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "snapshot", snap, snapshot(product, 1, 3))
			equalMessages(t, "tail", tail, page(product, 3, events("b", 2)))
		}},
	}
}
