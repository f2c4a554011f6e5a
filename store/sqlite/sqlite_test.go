package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/eventus-go/eventus/store/storetest"
	_ "modernc.org/sqlite"
)

func TestContract(t *testing.T) { storetest.Run(t, open) }

func BenchmarkContract(b *testing.B) { storetest.Bench(b, open) }

func open(t testing.TB) storetest.Backend[*sql.Tx] {
	return openFile(t, filepath.Join(t.TempDir(), "a?b #100%.db"))
}

// openFile opens the store in a file, beside a table of the user's own.
func openFile(t testing.TB, path string) storetest.Backend[*sql.Tx] {
	s, db := openStore(t, path)
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS product_views (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`); err != nil {
		t.Fatal(err)
	}
	return storetest.Backend[*sql.Tx]{
		Store: s,
		Put: func(ctx context.Context, tx *sql.Tx, key, value string) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO product_views (key, value) VALUES (?, ?)
				ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
			return err
		},
		Get: func(ctx context.Context, key string) (value string, ok bool, err error) {
			err = db.QueryRowContext(ctx, `SELECT value FROM product_views WHERE key = ?`, key).Scan(&value)
			if errors.Is(err, sql.ErrNoRows) {
				return "", false, nil
			}
			return value, err == nil, err
		},
		Rewind: func(t testing.TB, after int64) { rewind(t, db, after) },
		Reopen: func(t testing.TB) storetest.Backend[*sql.Tx] {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			return openFile(t, path)
		},
	}
}

// rewind loses all events after a position, and nothing else.
func rewind(t testing.TB, db *sql.DB, after int64) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var trigger string
	if err := tx.QueryRow("SELECT sql FROM sqlite_schema WHERE name = 'event_store_no_delete'").Scan(&trigger); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"DROP TRIGGER event_store_no_delete",
		fmt.Sprintf("DELETE FROM outbox WHERE position > %d", after),
		fmt.Sprintf("DELETE FROM event_store WHERE position > %d", after),
		fmt.Sprintf("UPDATE sqlite_sequence SET seq = %d WHERE name = 'event_store'", after),
		trigger,
	} {
		if _, err := tx.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func openStore(t testing.TB, path string) (*sqlite.Store, *sql.DB) {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}
