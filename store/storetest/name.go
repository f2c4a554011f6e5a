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

// weirdTexts are texts that some databases cannot carry.
var weirdTexts = []string{"broken \xff UTF-8", "a NUL \x00 inside", "lines\r\n\tand 'quotes' \"🛒\"", ""}

// mustBeLike checks that a store gave back a text, apart from characters that it
// cannot carry.
func mustBeLike(t tester, got, want string) {
	t.Helper()
	if want == weirdTexts[2] && got != want || len(got) < min(len(want), 10) || got[:min(len(want), 5)] != want[:min(len(want), 5)] {
		t.Fatalf("gave %q, got back %q", want, got)
	}
}

func nameClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"ids that differ in a byte are different streams", func(t *testing.T, b subject[Tx]) {
			for i, id := range ids {
				mustAppend(t, b, store.Stream{Category: "product", ID: id}, store.NoStream, event(fmt.Sprint(i)))
			}
			for i, id := range ids {
				s := store.Stream{Category: "product", ID: id}
				equalMessages(t, "stream "+id, mustRead(t, b, s), page(s, 0, []store.Event{event(fmt.Sprint(i))}))
			}
		}},
		{"one id in two categories is two streams", func(t *testing.T, b subject[Tx]) {
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
		{"any id that Check accepts comes back byte by byte", func(t *testing.T, b subject[Tx]) {
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
