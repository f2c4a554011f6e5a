package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func logClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"the whole log has every stream's events in ascending positions", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			mustAppend(t, b, other, store.NoStream, events("b", 1)...)
			mustAppend(t, b, product, store.At(2), events("c", 1)...)
			got := mustReadAll(t, b.Log)
			equalMessages(t, "log", got, []store.Message{
				stored(product, 1, event("a-1")), stored(product, 2, event("a-2")),
				stored(other, 1, event("b-1")), stored(product, 3, event("c-1")),
			})
			ascending(t, 0, got)
			if got[0].Position < 1 {
				t.Fatalf("the first position is %d, a reader who starts after 0 would skip it", got[0].Position)
			}
		}},
		{"pages of the log join without gap or overlap", func(t *testing.T, b subject[Tx]) {
			for i := range 10 {
				mustAppend(t, b, store.Stream{Category: "product", ID: fmt.Sprint(i % 3)}, store.Any, events("e", 1+i%4)...)
			}
			want := mustReadAll(t, b.Log)
			for limit := 1; limit <= len(want)+1; limit++ {
				var got []store.Message
				for after := int64(0); ; after = got[len(got)-1].Position {
					page, err := b.Log.ReadAll(t.Context(), after, limit)
					if err != nil {
						t.Fatal(err)
					}
					if len(page) > limit {
						t.Fatalf("a page of %d messages, the limit is %d", len(page), limit)
					}
					if len(page) == 0 {
						break
					}
					got = append(got, page...)
				}
				equal(t, fmt.Sprintf("log in pages of %d", limit), got, want)
			}
		}},
		{"a message has one position, wherever it is read", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			want := mustReadAll(t, b.Log)
			equal(t, "stream", mustRead(t, b, product), want)
			if b.Outbox != nil {
				equal(t, "outbox", mustUnpublished(t, b), want)
			}
			if b.Snapshots != nil {
				_, tail := mustReadSnapshot(t, b, product, 1, all)
				equal(t, "tail", tail, want)
			}
		}},
		{"a reader who continues after the last position skips nothing while writers append", neverSkips[Tx]},
		{"stretches of the log join without gap or overlap, and have the messages of their categories", stretchesJoin[Tx]},
		{"a stretch ends within its bounds", stretchEnds[Tx]},
		{"a stretch looks at MaxStretch messages at most", longStretch[Tx]},
		{"a reader of some categories who continues after the last place skips nothing while writers append", stretchNeverSkips[Tx]},
	}
}

// ascending checks positions and returns the last one.
func ascending(t tester, after int64, messages []store.Message) int64 {
	t.Helper()
	for _, m := range messages {
		if m.Position <= after {
			t.Fatalf("position %d comes after %d", m.Position, after)
		}
		after = m.Position
	}
	return after
}

// neverSkips lets several readers tail the log with their own page sizes while
// writers append to their own and to common streams. Once the writers are done,
// what each reader has seen must be the log.
func neverSkips[Tx any](t *testing.T, b subject[Tx]) {
	const writers, appends = 8, 40
	readers := []int{1, 7, 1000}
	done := make(chan struct{})
	seen := make([][]store.Message, len(readers))
	var reading, writing sync.WaitGroup
	for r, limit := range readers {
		reading.Go(func() {
			var after int64
			for last := false; ; {
				page, err := b.Log.ReadAll(t.Context(), after, limit)
				if err != nil {
					t.Errorf("read the log: %v", err)
					return
				}
				if len(page) > 0 {
					seen[r] = append(seen[r], page...)
					after = page[len(page)-1].Position
					continue
				}
				if last {
					return
				}
				select {
				case <-done:
					last = true // one more page: what was committed before done is visible to it
				default:
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range appends {
				s := store.Stream{Category: "product", ID: fmt.Sprint(w)}
				if i%2 == 0 {
					s.ID = "common"
				}
				if _, err := b.Append(t.Context(), s, store.Any, events("e", 1+i%3)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	want := mustReadAll(t, b.Log)
	ascending(t, 0, want)
	streams := make(map[store.Stream]int64)
	for _, m := range want {
		streams[m.Stream]++
		if m.Version != streams[m.Stream] {
			t.Fatalf("%s: version %d stands where %d belongs", m.Stream, m.Version, streams[m.Stream])
		}
	}
	for r, limit := range readers {
		equal(t, fmt.Sprintf("positions seen in pages of %d", limit), positions(seen[r]), positions(want))
	}
}
