package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/eventus-go/eventus/store/sqlite"
)

// A database of the program before gets a history, and keeps what waits in its
// outbox.
func TestAnOlderDatabaseGetsAHistory(t *testing.T) {
	db := openDB(t, sqlite.DSN(filepath.Join(t.TempDir(), "a.db")))
	script, err := os.ReadFile("migrations/0001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		string(script), "PRAGMA user_version = 1",
		`INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			VALUES ('c', 's', 1, 'first', 't', 'text/plain', x'00', 1, '', '', ''), ('c', 's', 2, 'second', 't', 'text/plain', x'00', 1, '', '', '')`,
		"INSERT INTO outbox (position) VALUES (2)",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := s.Unpublished(t.Context(), 0, 10)
	if err != nil || len(page) != 1 || page[0].ID != "second" || page[0].Previous != "first" {
		t.Errorf("got %+v, %v", page, err)
	}
	first, err := s.History(t.Context())
	if err != nil || len(first) != 36 {
		t.Errorf("the history is %q, %v", first, err)
	}
	again, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.History(t.Context()); err != nil || second != first {
		t.Errorf("the history is %q, %v, and was %q", second, err, first)
	}
}
