package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/eventus-go/eventus/store/storetest"
	"github.com/google/uuid"
	_ "modernc.org/sqlite"
)

func TestContract(t *testing.T) { storetest.Run(t, open) }

func BenchmarkContract(b *testing.B) { storetest.Bench(b, open) }

// open returns a store on a copy of a file that has the tables, because to migrate
// costs more than most clauses.
func open(t testing.TB) storetest.Backend[*sql.Tx] {
	path := filepath.Join(t.TempDir(), "a?b #100%.db")
	file, err := migrated()
	if err == nil {
		err = os.WriteFile(path, bytes.ReplaceAll(file.content, []byte(file.history), []byte(uuid.NewString())), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return openFile(t, path)
}

type migratedFile struct {
	content []byte
	history string // its id
}

// migrated returns a file that has all tables and nothing else.
var migrated = sync.OnceValues(func() (file migratedFile, err error) {
	dir, err := os.MkdirTemp("", "sqlite-")
	if err != nil {
		return file, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.db")
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		return file, err
	}
	s, err := sqlite.Open(context.Background(), db)
	if err == nil {
		file.history, err = s.History(context.Background())
	}
	// The last to close it writes the WAL into the file.
	if err = errors.Join(err, db.Close()); err != nil {
		return file, err
	}
	file.content, err = os.ReadFile(path)
	return file, err
})

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
		Damage: func(t testing.TB, position int64) {
			edit(t, db, "event_store_no_update",
				fmt.Sprintf("UPDATE event_store SET data = CAST('#' || substr(data, 2) AS BLOB) WHERE position = %d", position))
		},
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
	edit(t, db, "event_store_no_delete",
		fmt.Sprintf("DELETE FROM outbox WHERE position > %d", after),
		fmt.Sprintf("DELETE FROM event_store WHERE position > %d", after),
		fmt.Sprintf("UPDATE sqlite_sequence SET seq = %d WHERE name = 'event_store'", after))
}

// edit runs statements without a trigger that refuses them.
func edit(t testing.TB, db *sql.DB, trigger string, statements ...string) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var made string
	if err := tx.QueryRow("SELECT sql FROM sqlite_schema WHERE name = ?", trigger).Scan(&made); err != nil {
		t.Fatal(err)
	}
	for _, statement := range append(append([]string{"DROP TRIGGER " + trigger}, statements...), made) {
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
