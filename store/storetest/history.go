package storetest

import (
	"regexp"
	"testing"

	"github.com/eventus-go/eventus/store"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func mustHistory(t tester, b store.Identity) string {
	t.Helper()
	id, err := b.History(t.Context())
	if err != nil {
		t.Fatalf("history: %v", err)
	}
	if !uuid.MatchString(id) {
		t.Fatalf("the history is %q, want a UUID", id)
	}
	return id
}

func historyClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"the id of the history is a UUID that stays", func(t *testing.T, b subject[Tx]) {
			before := mustHistory(t, b)
			mustAppend(t, b, product, store.NoStream, event("a"))
			equal(t, "history", mustHistory(t, b), before)
			if b.Reopen != nil {
				b = mustBeSubject(t, b.Reopen(t))
				equal(t, "history after opening again", mustHistory(t, b), before)
			}
		}},
	}
}

func testHistories[Tx any](t *testing.T, open func(t testing.TB) Backend[Tx]) {
	first, second := mustOpen(t, open), mustOpen(t, open)
	if mustHistory(t, first) == mustHistory(t, second) {
		t.Error("two stores have one history")
	}
}
