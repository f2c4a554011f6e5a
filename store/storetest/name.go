package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

// ids are different stream ids, each with something that a careless backend
// treats as its own: separators, wildcards, quotes, case, Unicode normal forms.
var ids = []string{
	"1", "01", "1.0", "a", "A", "a ", " a", "a.b", "a*b", "a%b", "a_b", "a>b", "a/b", `a\b`, "a'b", `a"b`, "a;b", "a--b",
	"a:b", "a|b", "a{b}", "a$1", "a?b", "NULL", "null", "é", "e\u0301", "ß", "ss", "SS", "İ", "i", "ı", "K", "\u212a",
	"日本語", "🛒", "👩‍🚀", "👩", "\u00a0", "\u200b", "\ufeff", "\ufffd", "\u2028",
	strings.Repeat("a", store.MaxID), strings.Repeat("é", store.MaxID/2), strings.Repeat("a", store.MaxID-1),
}

func nameClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"ids that differ in a byte are different streams", func(t *testing.T, b Backend[Tx]) {
			for i, id := range ids {
				mustAppend(t, b, store.Stream{Category: "product", ID: id}, store.NoStream, event(fmt.Sprint(i)))
			}
			for i, id := range ids {
				s := store.Stream{Category: "product", ID: id}
				equalMessages(t, "stream "+id, mustRead(t, b, s), page(s, 0, []store.Event{event(fmt.Sprint(i))}))
			}
		}},
		{"one id in two categories is two streams", func(t *testing.T, b Backend[Tx]) {
			streams := []store.Stream{
				{Category: "a", ID: "1"}, {Category: "A", ID: "1"}, {Category: "b", ID: "1"},
				{Category: "a-b", ID: "c"}, {Category: "a", ID: "b-c"}, {Category: "a", ID: "b c"}, {Category: "a_b", ID: "c"},
			}
			for _, s := range streams {
				mustAppend(t, b, s, store.NoStream, event(s.String()))
			}
			for _, s := range streams {
				equalMessages(t, s.String(), mustRead(t, b, s), page(s, 0, []store.Event{event(s.String())}))
			}
		}},
		{"ids that differ in a byte have different marks, dead letters and snapshots", differentKeys[Tx]},
		{"any id that Check accepts comes back byte by byte", func(t *testing.T, b Backend[Tx]) {
			rapid.Check(t, func(rt *rapid.T) {
				s := store.Stream{Category: "any", ID: rapid.String().Draw(rt, "id")}
				if s.Check() != nil {
					return
				}
				version := mustAppend(t, b, s, store.Any, event("x"))
				got, err := b.Read(t.Context(), s, version-1, 1)
				if err != nil || len(got) != 1 || got[0].Stream != s {
					rt.Fatalf("read of %q gives %v, error %v", s.ID, got, err)
				}
			})
		}},
	}
}

func differentKeys[Tx any](t *testing.T, b Backend[Tx]) {
	var streams []store.Stream
	var marks []store.Mark
	for i, id := range ids {
		s := store.Stream{Category: "product", ID: id}
		streams = append(streams, s)
		marks = append(marks, store.Mark{Stream: s, Version: int64(i) + 1, Parked: true})
		mustAppend(t, b, s, store.NoStream, event(fmt.Sprint(i)))
		snap := store.Snapshot{Stream: s, Schema: 1, Version: 1, ContentType: "c", Data: []byte(id)}
		if err := b.WriteSnapshot(t.Context(), snap); err != nil {
			t.Fatalf("snapshot of %q: %v", id, err)
		}
		mustPark(t, b, letter("consumer", s, int64(i)+1))
		mustSetMarks(t, b, "consumer", marks[i])
	}
	equal(t, "marks", marksOf(t, b, "consumer", streams...), marks)
	for i, s := range streams {
		snap, _, err := b.ReadSnapshot(t.Context(), s, 1, 1)
		if err != nil {
			t.Fatalf("snapshot of %q: %v", s.ID, err)
		}
		equal(t, "snapshot of "+s.ID, snap, store.Snapshot{Stream: s, Schema: 1, Version: 1, ContentType: "c", Data: []byte(s.ID)})
		equal(t, "letters of "+s.ID, parkedOf(t, b, "consumer", s), []store.DeadLetter{keptLetter("consumer", s, int64(i)+1)})
	}
}
