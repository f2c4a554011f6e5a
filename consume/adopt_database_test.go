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
	for _, statements := range script {
		if _, err := db.Exec(statements); err != nil {
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
	for _, statements := range script {
		if _, err := conn.PgConn().Exec(t.Context(), statements).ReadAll(); err != nil {
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
