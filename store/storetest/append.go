package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

func appendClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"an append returns the version of its last event", func(t *testing.T, b subject[Tx]) {
			for i, expected := range []store.Expected{store.NoStream, store.At(3), store.Any} {
				version := mustAppend(t, b, product, expected, events(fmt.Sprint(i), 3)...)
				equal(t, "version", version, int64(i+1)*3)
			}
		}},
		{"an append stores its events in order and unchanged", func(t *testing.T, b subject[Tx]) {
			first, second := events("first", 2), events("second", 3)
			mustAppend(t, b, product, store.NoStream, first...)
			mustAppend(t, b, product, store.At(2), second...)
			equalMessages(t, "stream", mustRead(t, b, product), page(product, 0, append(first, second...)))
		}},
		{"of concurrent appends that expect one version exactly one wins", oneWins[Tx]},
		{"concurrent appends that expect any version all win, without holes", anyWins[Tx]},
		{"a conflict tells the stream, the expected and the actual version", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.Any, events("a", 5)...)
			for _, expected := range []store.Expected{store.NoStream, store.At(1), store.At(4), store.At(6), store.At(8), store.At(math.MaxInt64)} {
				_, err := b.Append(t.Context(), product, expected, events("b", 2))
				mustConflict(t, err, product, expected, 5)
			}
			_, err := b.Append(t.Context(), other, store.At(1), events("b", 1))
			mustConflict(t, err, other, store.At(1), 0)
			equal(t, "the other stream", mustRead(t, b, other), []store.Message{})
			mustHoldOnly(t, b, events("a", 5)...)
		}},
		{"an append that names the event before it is stored behind no other one", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			equal(t, "version", mustAppend(t, b, product, store.After(2, "id-a-2"), events("b", 2)...), 4)
			for _, expected := range []store.Expected{store.After(4, "id-a-2"), store.After(4, "id-b-1"), store.After(4, "ID-B-2"), store.After(3, "id-b-1"), store.After(5, "id-b-2")} {
				_, err := b.Append(t.Context(), product, expected, events("c", 1))
				mustConflict(t, err, product, expected, 4)
			}
			_, err := b.Append(t.Context(), other, store.After(1, "id-a-1"), events("c", 1))
			mustConflict(t, err, other, store.After(1, "id-a-1"), 0)
			equal(t, "version of the repetition", mustAppend(t, b, product, store.After(2, "id-a-2"), events("b", 2)...), 4)
			mustHoldOnly(t, b, append(events("a", 2), events("b", 2)...)...)
		}},
		{"no expected version opens a hole or writes a version twice", func(t *testing.T, b subject[Tx]) {
			streams, appends := 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				streams++
				s := store.Stream{Category: "product", ID: fmt.Sprint(streams)}
				var version int64
				for range rapid.IntRange(1, 5).Draw(rt, "appends") {
					expected := store.At(max(-1, version+rapid.Int64Range(-5, 5).Draw(rt, "distance")))
					n := rapid.IntRange(1, 3).Draw(rt, "events")
					appends++
					got, err := b.Append(t.Context(), s, expected, events(fmt.Sprint(appends, " "), n))
					if expected == store.Any || expected.Version == version {
						if err != nil || got != version+int64(n) {
							rt.Fatalf("append at %d of %d: version %d, error %v", expected.Version, version, got, err)
						}
						version = got
					} else if !errors.Is(err, store.ErrConflict) {
						rt.Fatalf("append at %d of %d: got error %v, want a conflict", expected.Version, version, err)
					}
				}
				stored := mustRead(rt, b, s)
				noHoles(rt, stored)
				equal(rt, "messages", int64(len(stored)), version)
			})
		}},
		{"an append that is repeated is stored once", func(t *testing.T, b subject[Tx]) {
			first, second := events("first", 1), events("second", 3)
			for range 2 {
				equal(t, "version", mustAppend(t, b, product, store.NoStream, first...), 1)
				equal(t, "version", mustAppend(t, b, product, store.At(1), second...), 4)
			}
			equalMessages(t, "stream", mustRead(t, b, product), page(product, 0, append(first, second...)))
		}},
		{"an append with some of the events of its place is a conflict", func(t *testing.T, b subject[Tx]) {
			stored := events("a", 4)
			mustAppend(t, b, product, store.NoStream, stored...)
			for _, c := range []struct {
				expected store.Expected
				events   []store.Event
			}{
				{store.At(1), stored[:1]}, {store.At(1), stored[2:3]}, {store.NoStream, []store.Event{stored[0], event("new")}}, {store.At(1), []store.Event{event("new"), stored[2]}},
				{store.At(3), []store.Event{stored[3], event("new")}}, {store.At(2), append(slices.Clone(stored[2:]), event("new"))},
			} {
				_, err := b.Append(t.Context(), product, c.expected, c.events)
				mustConflict(t, err, product, c.expected, 4)
			}
			mustHoldOnly(t, b, stored...)
		}},
		{"a lost append stores nothing of its events", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, event("kept"))
			_, err := b.Append(t.Context(), product, store.NoStream, events("lost", 3))
			mustConflict(t, err, product, store.NoStream, 1)
			mustHoldOnly(t, b, event("kept"))
		}},
	}
}

// noHoles checks that messages are the versions 1, 2, 3, ... of one stream, at
// growing positions.
func noHoles(t tester, messages []store.Message) {
	t.Helper()
	var position int64
	for i, m := range messages {
		if m.Version != int64(i)+1 || m.Position <= position {
			t.Fatalf("message %d has version %d at position %d after %d", i+1, m.Version, m.Position, position)
		}
		position = m.Position
	}
}

func oneWins[Tx any](t *testing.T, b subject[Tx]) {
	const writers, rounds = 8, 25
	var won []store.Event
	for round := range rounds {
		expected := store.At(int64(round * 2))
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				_, errs[w] = b.Append(t.Context(), product, expected, events(fmt.Sprintf("%d-%d", round, w), 2))
			})
		}
		wg.Wait()
		winner := -1
		for w, err := range errs {
			switch {
			case err != nil:
				mustConflict(t, err, product, expected, expected.Version+2)
			case winner >= 0:
				t.Fatalf("writers %d and %d both won version %d", winner, w, expected.Version)
			default:
				winner = w
			}
		}
		if winner < 0 {
			t.Fatalf("nobody won version %d", expected.Version)
		}
		won = append(won, events(fmt.Sprintf("%d-%d", round, winner), 2)...)
		mustHoldOnly(t, b, won...)
	}
}

func anyWins[Tx any](t *testing.T, b subject[Tx]) {
	const writers, appends = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range appends {
				batch := events(fmt.Sprintf("%d-%d", w, i), 1+i%3)
				version, err := b.Append(t.Context(), product, store.Any, batch)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				first := version - int64(len(batch))
				got, err := b.Read(t.Context(), product, first, len(batch))
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				for i := range got {
					got[i].Position = 0
				}
				if diff := diff(got, page(product, first, batch)); diff != "" {
					t.Errorf("an append is not where it says (-want +got):\n%s", diff)
					return
				}
			}
		})
	}
	wg.Wait()
	noHoles(t, mustRead(t, b, product))
}
