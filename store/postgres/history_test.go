package postgres_test

import (
	"io/fs"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
)

// A schema of the program before gets a history, and keeps what waits in its
// outbox.
func TestAnOlderSchemaGetsAHistory(t *testing.T) {
	pool := pgtest.Pool(t)
	for i, name := range []string{"0001_store.sql", "0002_leases.sql"} {
		script, err := fs.ReadFile(postgres.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Conn().PgConn().Exec(t.Context(), string(script)).ReadAll(); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), "INSERT INTO eventus_migrations (version) VALUES ($1)", i+1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	execAll(t, pool, `INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
		VALUES ('c', 's', 1, 'first', 't', 'text/plain', 'x', now(), '', '', ''), ('c', 's', 2, 'second', 't', 'text/plain', 'x', now(), '', '', '')`)
	execAll(t, pool, "INSERT INTO outbox (position) VALUES (2)")

	s := openStore(t, pool) // migrates
	page, _, err := s.Unpublished(t.Context(), 0, 10)
	if err != nil || len(page) != 1 || page[0].ID != "second" || page[0].Previous != "first" {
		t.Errorf("got %+v, %v", page, err)
	}
	first, err := s.History(t.Context())
	if err != nil || len(first) != 36 {
		t.Errorf("the history is %q, %v", first, err)
	}
	if second, err := openStore(t, pool).History(t.Context()); err != nil || second != first {
		t.Errorf("the history is %q, %v, and was %q", second, err, first)
	}
}
