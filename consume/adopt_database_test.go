package consume_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"
)

func readBefore(t *testing.T, name string) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "before", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

type sqliteBefore struct{ *sqlite.Store }

func beforeSQLite(t *testing.T, changes ...string) adoptable[*sql.Tx] {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(t.TempDir(), "before.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const guard = `CREATE TRIGGER event_store_no_delete BEFORE DELETE ON event_store
		BEGIN SELECT raise(ABORT, 'event_store is append-only'); END`
	script := []string{readBefore(t, "sqlite.sql")}
	if len(changes) > 0 {
		script = append(append(append(script, `DROP TRIGGER event_store_no_delete`), changes...), guard)
	}
	dialect := strings.NewReplacer("{data}", `X'7b7d'`, "{time}", "0")
	for _, statements := range script {
		if _, err := db.Exec(dialect.Replace(statements)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return sqliteBefore{s}
}

func (sqliteBefore) exec(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

func (sqliteBefore) texts(ctx context.Context, tx *sql.Tx, query string, args ...any) (texts []string, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}

type postgresBefore struct{ *postgres.Store }

func beforePostgres(t *testing.T, changes ...string) adoptable[pgx.Tx] {
	t.Helper()
	pool := pgtest.Pool(t)
	var schema string
	if err := pool.QueryRow(t.Context(), `SELECT current_schema()`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	// The dump changes settings of its connection, which it has for itself.
	conn, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	script := []string{strings.ReplaceAll(readBefore(t, "postgres.sql"), "eventus_before", schema), `SET search_path TO ` + schema}
	if len(changes) > 0 {
		script = append(script, `ALTER TABLE event_store DISABLE TRIGGER USER`)
		script = append(append(script, changes...), `ALTER TABLE event_store ENABLE TRIGGER USER`)
	}
	dialect := strings.NewReplacer("{data}", `'\x7b7d'`, "{time}", "now()")
	for _, statements := range script {
		if _, err := conn.PgConn().Exec(t.Context(), dialect.Replace(statements)).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return postgresBefore{s}
}

func (postgresBefore) exec(ctx context.Context, tx pgx.Tx, query string, args ...any) error {
	_, err := tx.Exec(ctx, query, args...)
	return err
}

func (postgresBefore) texts(ctx context.Context, tx pgx.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// The statements are those by which commit 11b4396 writes a mark, or locks it
// before it calls a handler. It must not go on without the marks that were
// removed.
func TestProgramsOfTheVersionBeforeFail(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		failsWithoutEventID(t, beforeSQLite(t), `
INSERT INTO inbox (consumer, category, stream_id, version)
SELECT $1, value ->> 0, value ->> 1, value ->> 2 FROM json_each('[["stock","done",3]]') WHERE true
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = excluded.version`)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		failsWithoutEventID(t, beforePostgres(t), `
INSERT INTO inbox AS i (consumer, category, stream_id, version)
SELECT DISTINCT $1::text, s.category COLLATE "C", s.stream_id COLLATE "C", 0
FROM unnest('{stock}'::text[], '{done}'::text[]) AS s (category, stream_id)
ORDER BY 2, 3
ON CONFLICT (consumer, category, stream_id) DO UPDATE SET version = i.version WHERE false`)
	})
}

func failsWithoutEventID[Tx any](t *testing.T, db adoptable[Tx], statement string) {
	t.Helper()
	for _, consumer := range []string{"board", "live"} { // without a mark, and with one
		err := db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return db.exec(ctx, tx, statement, consumer) })
		if err == nil || !strings.Contains(err.Error(), "event_id") || db.IsTransient(err) {
			t.Errorf("%s: got error %v, want one that names the column event_id", consumer, err)
		}
	}
}
