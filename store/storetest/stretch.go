package storetest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store"
)

var categories = []string{"product", "order", "customer"}

// mixed appends events of several categories in turn and returns the log.
func mixed[Tx any](t *testing.T, b subject[Tx]) []store.Message {
	t.Helper()
	for i := range 12 {
		s := store.Stream{Category: categories[i*i%5%3], ID: fmt.Sprint(i % 2)}
		mustAppend(t, b, s, store.Any, events(fmt.Sprint("e", i), 1+i%3)...)
	}
	return mustReadAll(t, b.Log)
}

func mustReadStretch(t tester, b store.Log, r store.Range) store.Stretch {
	t.Helper()
	s, err := b.ReadStretch(t.Context(), r)
	if err != nil {
		t.Fatalf("read %+v of the log: %v", r, err)
	}
	return s
}

// isStretch checks that s is what a range of a log may give.
func isStretch(t tester, log []store.Message, r store.Range, s store.Stretch) {
	t.Helper()
	if len(s.Messages) > r.Limit {
		t.Fatalf("%+v gives %d messages", r, len(s.Messages))
	}
	log = slices.DeleteFunc(slices.Clone(log), func(m store.Message) bool {
		return m.Position <= r.After || r.UpTo > 0 && m.Position > r.UpTo
	})
	if len(log) == 0 {
		equal(t, fmt.Sprintf("stretch of %+v", r), s, store.Stretch{End: true})
		return
	}
	n := slices.IndexFunc(log, func(m store.Message) bool { return store.PlaceOf(&m) == s.Last }) + 1
	if n == 0 {
		t.Fatalf("%+v ends at %+v, which is no message of it", r, s.Last)
	}
	want := store.Stretch{First: store.PlaceOf(&log[0]), Last: s.Last, End: s.End}
	for _, m := range log[:n] {
		if len(r.Categories) == 0 || slices.Contains(r.Categories, m.Stream.Category) {
			want.Messages = append(want.Messages, m)
		}
	}
	equal(t, fmt.Sprintf("stretch of %+v", r), s, want)
	if s.End && n < len(log) {
		t.Fatalf("%+v ends at %+v with End, and %d messages lie behind", r, s.Last, len(log)-n)
	}
}

func stretchesJoin[Tx any](t *testing.T, b subject[Tx]) {
	log := mixed(t, b)
	for _, chosen := range [][]string{nil, categories[:1], categories[:2], {"customer", "product"}, categories, {"none"}} {
		for limit := 1; limit <= len(log)+1; limit++ {
			r := store.Range{Limit: limit, Categories: chosen}
			for range log {
				s := mustReadStretch(t, b.Log, r)
				isStretch(t, log, r, s)
				r.After = max(r.After, s.Last.Position)
				if s.End {
					break
				}
			}
			if tail := mustReadStretch(t, b.Log, r); !tail.End {
				t.Fatalf("the log has %d messages, and as many stretches of %+v do not reach its end", len(log), r)
			}
		}
	}
}

func stretchEnds[Tx any](t *testing.T, b subject[Tx]) {
	log := mixed(t, b)
	for _, chosen := range [][]string{nil, categories[:1], {"none"}} {
		for i := range log {
			for j := range log {
				r := store.Range{After: log[i].Position, UpTo: log[j].Position, Limit: len(log), Categories: chosen}
				s := mustReadStretch(t, b.Log, r)
				isStretch(t, log, r, s)
				if !s.End {
					t.Fatalf("%+v has no end", r)
				}
			}
		}
		for _, limit := range []int{0, -1, math.MinInt} {
			equal(t, "stretch without a limit", mustReadStretch(t, b.Log, store.Range{Limit: limit, Categories: chosen}), store.Stretch{})
		}
		r := store.Range{After: math.MinInt64, UpTo: math.MaxInt64, Limit: 1 << 20, Categories: chosen}
		isStretch(t, log, r, mustReadStretch(t, b.Log, r))
		r = store.Range{After: math.MaxInt64, UpTo: math.MinInt64, Limit: 1, Categories: chosen}
		isStretch(t, log, r, mustReadStretch(t, b.Log, r))
	}
}

func longStretch[Tx any](t *testing.T, b subject[Tx]) {
	mustAppend(t, b, product, store.NoStream, events("e", store.MaxStretch)...)
	mustAppend(t, b, product, store.At(store.MaxStretch), events("f", 3)...)
	mustAppend(t, b, store.Stream{Category: "order", ID: "o-1"}, store.NoStream, event("rare"))
	log := mustReadAll(t, b.Log)
	r := store.Range{Limit: 10, Categories: []string{"order"}}
	first := mustReadStretch(t, b.Log, r)
	isStretch(t, log, r, first)
	if first.End || first.Last.Position > log[store.MaxStretch-1].Position {
		t.Fatalf("a stretch ends at %+v, with End %v; it may look up to %+v", first.Last, first.End, store.PlaceOf(&log[store.MaxStretch-1]))
	}
	r.After = first.Last.Position
	for range log {
		s := mustReadStretch(t, b.Log, r)
		isStretch(t, log, r, s)
		if s.End {
			return
		}
		r.After = s.Last.Position
	}
	t.Fatalf("the log has %d messages, and as many stretches of %+v do not reach its end", len(log), r)
}

// stretchNeverSkips is neverSkips for readers of one and of two categories.
func stretchNeverSkips[Tx any](t *testing.T, b subject[Tx]) {
	const writers, appends = 6, 40
	ranges := []store.Range{
		{Limit: 1, Categories: categories[:1]}, {Limit: 7, Categories: categories[:2]}, {Limit: 1000, Categories: categories[1:2]},
	}
	done := make(chan struct{})
	seen := make([][]store.Message, len(ranges))
	var reading, writing sync.WaitGroup
	for i, r := range ranges {
		reading.Go(func() {
			for last := false; ; {
				s, err := b.Log.ReadStretch(t.Context(), r)
				if err != nil {
					t.Errorf("read the log: %v", err)
					return
				}
				seen[i] = append(seen[i], s.Messages...)
				if s.Last.Position > 0 {
					r.After = s.Last.Position
				}
				if !s.End || s.Last.Position > 0 {
					continue
				}
				if last {
					return
				}
				select {
				case <-done:
					last = true // one more: what was committed before done is visible to it
				default:
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range appends {
				s := store.Stream{Category: categories[(w+i)%3], ID: fmt.Sprint(w % 2)}
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
	log := mustReadAll(t, b.Log)
	for i, r := range ranges {
		want := slices.DeleteFunc(slices.Clone(log), func(m store.Message) bool { return !r.Has(m.Stream.Category) })
		equal(t, fmt.Sprintf("positions seen of %v in pages of %d", r.Categories, r.Limit), positions(seen[i]), positions(want))
	}
}
