package postgres

import (
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
)

// TestAStatementAnswersForEachOfItsStreams has a stream in each state in which
// append_events can find one.
func TestAStatementAnswersForEachOfItsStreams(t *testing.T) {
	pool := pgtest.Pool(t)
	if err := Migrate(t.Context(), pool, Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), pool, Config{})
	if err != nil {
		t.Fatal(err)
	}
	named := func(ids ...string) []store.Event {
		var events []store.Event
		for _, id := range ids {
			events = append(events, store.Event{ID: id, Type: "t" + id, ContentType: "c", Time: time.Now()})
		}
		return events
	}
	const busy, forked = -1, -2
	cases := []struct {
		id       string
		has      []string // ids of its events
		expected store.Expected
		appends  []string
		found    int64
		version  int64 // afterwards
	}{
		{"new", nil, store.NoStream, []string{"1", "2"}, 0, 2},
		{"any", []string{"1", "2"}, store.Any, []string{"3"}, 2, 3},
		{"any new", nil, store.Any, []string{"1"}, 0, 1},
		{"follows", []string{"1", "2"}, store.At(2), []string{"3", "4"}, 2, 4},
		{"has moved on", []string{"1", "2", "3"}, store.At(2), []string{"x"}, 3, 3},
		{"exists", []string{"1"}, store.NoStream, []string{"x"}, 1, 1},
		{"is shorter", []string{"1", "2"}, store.At(7), []string{"x"}, 2, 2},
		{"does not exist", nil, store.At(7), []string{"x"}, 0, 0},
		{"repeats", []string{"1", "2", "3"}, store.At(1), []string{"2", "3"}, 1, 3},
		{"repeats the first of two", []string{"1", "2", "3"}, store.At(1), []string{"2", "x"}, 3, 3},
		{"busy", []string{"1", "2"}, store.At(2), []string{"3"}, busy, 2},
		{"busy, any", []string{"1"}, store.Any, []string{"2"}, busy, 1},
		{"has another event", []string{"1", "2"}, store.Expected{Version: 2, EventID: "x"}, []string{"3"}, forked, 2},
		{"has that event", []string{"1", "2"}, store.Expected{Version: 2, EventID: "2"}, []string{"3"}, 2, 3},
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	var groups []*combine.Group
	for _, c := range cases {
		stream := store.Stream{Category: "c", ID: c.id}
		if len(c.has) > 0 {
			if _, err := s.Append(t.Context(), stream, store.NoStream, named(c.has...)); err != nil {
				t.Fatal(err)
			}
		}
		if c.found == busy {
			if _, err := s.WithTx(tx).Append(t.Context(), stream, store.Any, named("other")); err != nil {
				t.Fatal(err)
			}
		}
		groups = append(groups, &combine.Group{Stream: stream, Expected: c.expected, Events: named(c.appends...)})
	}
	args, err := s.manyArgs(groups)
	if err != nil {
		t.Fatal(err)
	}
	var found []*int64
	if err := pool.QueryRow(t.Context(), s.statements.appendEvents, args...).Scan(&found); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		var got int64
		switch {
		case found[i] == nil:
			got = busy
		case *found[i] < 0:
			got = forked
		default:
			got = *found[i]
		}
		if got != c.found {
			t.Errorf("%s: found %d, want %d", c.id, got, c.found)
		}
		page, err := s.Read(t.Context(), groups[i].Stream, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) != int(c.version) {
			t.Errorf("%s: %d events, want %d", c.id, len(page), c.version)
		}
		for _, m := range page {
			if m.Type != "t"+m.ID {
				t.Errorf("%s: event %s has the type %s", c.id, m.ID, m.Type)
			}
		}
	}
}
