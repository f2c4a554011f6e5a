package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// snapshot returns a snapshot of a stream that has the events "a".
func snapshot(s store.Stream, schema int, version int64) store.Snapshot {
	return store.Snapshot{
		Stream: s, Schema: schema, Version: version, EventID: fmt.Sprintf("id-a-%d", version),
		ContentType: "application/json", Data: fmt.Appendf(nil, `{"schema":%d,"version":%d}`, schema, version),
	}
}

func mustWriteSnapshot(t tester, b store.Snapshots, snap store.Snapshot) {
	t.Helper()
	if err := b.WriteSnapshot(t.Context(), snap); err != nil {
		t.Fatalf("write snapshot of %s: %v", snap.Stream, err)
	}
}

func mustReadSnapshot(t tester, b store.Snapshots, s store.Stream, schema, limit int) (store.Snapshot, []store.Message) {
	t.Helper()
	snap, tail, err := b.ReadSnapshot(t.Context(), s, schema, limit)
	if err != nil {
		t.Fatalf("read snapshot of %s: %v", s, err)
	}
	return snap, tail
}

func snapshotClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"without a snapshot the version is 0 and the page starts at version 1", func(t *testing.T, b subject[Tx]) {
			batch := events("a", 3)
			mustAppend(t, b, product, store.NoStream, batch...)
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "version", snap.Version, 0)
			equalMessages(t, "tail", tail, page(product, 0, batch))
			snap, tail = mustReadSnapshot(t, b, other, 1, all)
			equal(t, "version", snap.Version, 0)
			equal(t, "tail", tail, []store.Message{})
		}},
		{"a snapshot comes with the first page of the stream after it", func(t *testing.T, b subject[Tx]) {
			batch := events("a", 6)
			mustAppend(t, b, product, store.NoStream, batch...)
			mustAppend(t, b, other, store.NoStream, events("noise", 6)...)
			mustWriteSnapshot(t, b, snapshot(product, 1, 2))
			for limit := range 6 {
				snap, tail := mustReadSnapshot(t, b, product, 1, limit)
				equal(t, "snapshot", snap, snapshot(product, 1, 2))
				equalMessages(t, "tail", tail, page(product, 2, batch[2:2+min(limit, 4)]))
			}
			mustWriteSnapshot(t, b, snapshot(product, 1, 6))
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "snapshot", snap, snapshot(product, 1, 6))
			equal(t, "tail", tail, []store.Message{})
		}},
		{"a snapshot keeps the latest time of its events in UTC, cut to the microsecond, and zero where it is not known", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 9)...)
			for i, at := range []time.Time{noon, {}, noon.Add(time.Hour)} {
				snap := snapshot(product, 1, int64(i)+1)
				snap.Latest = at
				mustWriteSnapshot(t, b, snap)
				if !at.IsZero() {
					snap.Latest = time.UnixMicro(at.UnixMicro()).UTC()
				}
				got, _ := mustReadSnapshot(t, b, product, 1, 3)
				equal(t, "snapshot", got, snap)
				got, _ = mustReadSnapshot(t, b, product, 1, 0)
				equal(t, "snapshot without its tail", got, snap)
			}
		}},
		{"a snapshot only moves forward", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 9)...)
			mustWriteSnapshot(t, b, snapshot(product, 1, 5))
			late := snapshot(product, 1, 5)
			late.Data = []byte("as new")
			mustWriteSnapshot(t, b, late)
			mustWriteSnapshot(t, b, snapshot(product, 1, 4))
			snap, _ := mustReadSnapshot(t, b, product, 1, 1)
			equal(t, "snapshot", snap, snapshot(product, 1, 5))
			mustWriteSnapshot(t, b, snapshot(product, 1, 6))
			snap, _ = mustReadSnapshot(t, b, product, 1, 1)
			equal(t, "snapshot", snap, snapshot(product, 1, 6))
		}},
		{"a snapshot of a version that the stream does not have is not stored", func(t *testing.T, b subject[Tx]) {
			mustWriteSnapshot(t, b, snapshot(product, 1, 1))
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "version", snap.Version, 0)
			equal(t, "messages", len(tail), 3)
			mustWriteSnapshot(t, b, snapshot(product, 1, 2))
			mustWriteSnapshot(t, b, snapshot(product, 1, 4))
			mustAppend(t, b, product, store.At(3), events("b", 3)...)
			snap, tail = mustReadSnapshot(t, b, product, 1, all)
			equal(t, "snapshot", snap, snapshot(product, 1, 2))
			equal(t, "messages", len(tail), 4)
		}},
		{"a snapshot of another event than the stream has at its version is not stored", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			stray := snapshot(product, 1, 3)
			stray.EventID = "id-b-3"
			mustWriteSnapshot(t, b, stray)
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "version", snap.Version, 0)
			equal(t, "messages", len(tail), 3)
			mustWriteSnapshot(t, b, snapshot(product, 1, 2))
			mustWriteSnapshot(t, b, stray)
			snap, _ = mustReadSnapshot(t, b, product, 1, all)
			equal(t, "snapshot", snap, snapshot(product, 1, 2))
		}},
		{"of concurrent snapshots the newest stays", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 4)...)
			for schema := range 40 {
				var wg sync.WaitGroup
				for version := range int64(4) {
					wg.Go(func() {
						if err := b.WriteSnapshot(t.Context(), snapshot(product, schema, version+1)); err != nil {
							t.Errorf("write snapshot: %v", err)
						}
					})
				}
				wg.Wait()
				snap, _ := mustReadSnapshot(t, b, product, schema, 1)
				equal(t, "snapshot", snap, snapshot(product, schema, 4))
			}
		}},
		{"snapshots of different schemas live side by side", func(t *testing.T, b subject[Tx]) {
			batch := events("a", 5)
			mustAppend(t, b, product, store.NoStream, batch...)
			for _, schema := range []int{2, 0, -1} {
				mustWriteSnapshot(t, b, snapshot(product, schema, int64(schema)+2))
			}
			for _, schema := range []int{2, 0, -1} {
				snap, tail := mustReadSnapshot(t, b, product, schema, all)
				equal(t, "snapshot", snap, snapshot(product, schema, int64(schema)+2))
				equalMessages(t, "tail", tail, page(product, snap.Version, batch[snap.Version:]))
			}
			snap, tail := mustReadSnapshot(t, b, product, 1, all)
			equal(t, "version", snap.Version, 0)
			equal(t, "messages", len(tail), 5)
		}},
		{"ids that differ in a byte have different snapshots", func(t *testing.T, b subject[Tx]) {
			of := func(id string) store.Snapshot {
				snap := snapshot(store.Stream{Category: "product", ID: id}, 1, 1)
				snap.EventID, snap.Data = "id-a", []byte(id)
				return snap
			}
			for _, id := range ids {
				mustAppend(t, b, of(id).Stream, store.NoStream, event("a"))
				mustWriteSnapshot(t, b, of(id))
			}
			for _, id := range ids {
				snap, _ := mustReadSnapshot(t, b, of(id).Stream, 1, 1)
				equal(t, "snapshot of "+id, snap, of(id))
			}
		}},
		{"a store keeps nothing of a snapshot that it is given, and shares nothing of one that it gives", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			given := snapshot(product, 1, 1)
			mustWriteSnapshot(t, b, given)
			copy(given.Data, "#####")
			for range 2 {
				got, tail := mustReadSnapshot(t, b, product, 1, all)
				equal(t, "snapshot", got, snapshot(product, 1, 1))
				equalMessages(t, "tail", tail, page(product, 1, events("a", 2)[1:]))
				copy(got.Data, "#####")
				spoil(&tail[0].Event)
			}
		}},
		{"what Snapshot.Check refuses is refused", func(t *testing.T, b subject[Tx]) {
			noType := snapshot(product, 1, 1)
			noType.ContentType = ""
			noEvent := snapshot(product, 1, 1)
			noEvent.EventID = ""
			large := snapshot(product, 1, 1)
			large.Data = make([]byte, store.MaxSnapshot+1)
			for _, snap := range []store.Snapshot{
				snapshot(store.Stream{}, 1, 1), snapshot(product, 1, 0), snapshot(product, 1, -1), noType, noEvent, large,
			} {
				mustInvalid(t, b.WriteSnapshot(t.Context(), snap))
			}
			snap, _ := mustReadSnapshot(t, b, product, 1, 1)
			equal(t, "version", snap.Version, 0)
		}},
		{"a snapshot and its tail are one view while both are written", oneView[Tx]},
	}
}

// oneView appends and snapshots while readers check that snapshot and tail
// always meet: a tail read before or after its snapshot leaves a gap or an
// overlap. It shows in a tail that has messages, so that the snapshots stay two
// behind. The writer goes on until the readers have met enough snapshots, for a
// fast one would be done before they begin. It leaves out every third, so that
// writes and reads that take turns at one lock do not fall into step.
func oneView[Tx any](t *testing.T, b subject[Tx]) {
	const appends = 150
	done := make(chan struct{})
	var met atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for last := int64(0); ; {
				snap, tail, err := b.ReadSnapshot(t.Context(), product, 1, 3)
				if err != nil {
					t.Errorf("read snapshot: %v", err)
					return
				}
				if snap.Version != last {
					met.Add(1)
				}
				last = snap.Version
				for i, m := range tail {
					if m.Version != snap.Version+int64(i)+1 {
						t.Errorf("message %d after the snapshot at %d has version %d", i+1, snap.Version, m.Version)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := int64(0); i < appends || met.Load() < appends && !t.Failed(); i++ {
		mustAppend(t, b, product, store.At(i), event("x"))
		if i >= 2 && i%3 != 0 {
			snap := snapshot(product, 1, i-1)
			snap.EventID = "id-x"
			mustWriteSnapshot(t, b, snap)
		}
	}
	close(done)
	wg.Wait()
}
