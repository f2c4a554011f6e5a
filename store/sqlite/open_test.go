package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

func TestOpen(t *testing.T) {
	t.Run("settings that cannot keep the promises are refused with the cure", func(t *testing.T) {
		for name, dsn := range map[string]string{
			"rollback journal": "file:" + filepath.Join(t.TempDir(), "a.db"),
			"synchronous off":  strings.Replace(sqlite.DSN(filepath.Join(t.TempDir(), "a.db")), "FULL", "OFF", 1),
			"normal":           strings.Replace(sqlite.DSN(filepath.Join(t.TempDir(), "a.db")), "FULL", "NORMAL", 1),
			"memory":           sqlite.DSN(":memory:"),
		} {
			_, err := sqlite.Open(t.Context(), openDB(t, dsn))
			if err == nil || !strings.Contains(err.Error(), "sqlite.DSN(path)") {
				t.Errorf("%s: got error %v, want the cure", name, err)
			}
		}
	})
	t.Run("a pool of one connection is refused", func(t *testing.T) {
		db := openDB(t, sqlite.DSN(filepath.Join(t.TempDir(), "a.db")))
		db.SetMaxOpenConns(1)
		if _, err := sqlite.Open(t.Context(), db); err == nil || !strings.Contains(err.Error(), "SetMaxOpenConns") {
			t.Errorf("got error %v, want the cure", err)
		}
	})
	t.Run("a newer schema is refused and left alone", func(t *testing.T) {
		db := openDB(t, sqlite.DSN(filepath.Join(t.TempDir(), "a.db")))
		if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(t.Context(), db); !errors.Is(err, store.ErrNewerSchema) || !strings.Contains(err.Error(), "upgrade") {
			t.Errorf("got error %v, want store.ErrNewerSchema and the cure", err)
		}
		var tables int
		if err := db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil || tables != 0 {
			t.Errorf("%d tables, error %v", tables, err)
		}
	})
	t.Run("several can open a new file at once", func(t *testing.T) {
		for range 5 {
			path := filepath.Join(t.TempDir(), "a.db")
			var wg sync.WaitGroup
			for range 6 {
				db := openDB(t, sqlite.DSN(path))
				wg.Go(func() {
					s, err := sqlite.Open(t.Context(), db)
					if err != nil {
						t.Errorf("open: %v", err)
						return
					}
					if _, err := s.Append(t.Context(), stream, store.Any, events(1)); err != nil {
						t.Errorf("append: %v", err)
					}
				})
			}
			wg.Wait()
		}
	})
	t.Run("a busy database is tried again, any other failure is not", func(t *testing.T) {
		for _, c := range []struct {
			fails codedError
			opens bool
		}{{5, true}, {5 | 2<<8, true}, {14, false}} {
			path := filepath.Join(t.TempDir(), "a.db")
			connector := &failing{driver: openDB(t, "").Driver(), dsn: sqlite.DSN(path), err: c.fails, times: 3}
			db := sql.OpenDB(connector)
			defer db.Close()
			if _, err := sqlite.Open(t.Context(), db); (err == nil) != c.opens {
				t.Errorf("%v: got error %v", c.fails, err)
			}
		}
	})
	t.Run("DSN names the file whatever characters its path has", func(t *testing.T) {
		for _, name := range []string{"plain.db", "a b.db", "q?x=1&y.db", "100%41#.db", "é🛒.db", "'\".db", "a:b.db"} {
			path := filepath.Join(t.TempDir(), name)
			openStore(t, path)
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("DSN takes a relative path and one of two slashes", func(t *testing.T) {
		t.Chdir(t.TempDir())
		openStore(t, "a:b?.db")
		if _, err := os.Stat("a:b?.db"); err != nil {
			t.Error(err)
		}
		openStore(t, "/"+filepath.Join(t.TempDir(), "a.db"))
	})
}

// failing is a connector that fails some times before it connects.
type failing struct {
	driver driver.Driver
	dsn    string
	err    error
	times  int
}

func (c *failing) Connect(context.Context) (driver.Conn, error) {
	if c.times--; c.times >= 0 {
		return nil, c.err
	}
	return c.driver.Open(c.dsn)
}

func (c *failing) Driver() driver.Driver { return c.driver }

// codedError is a SQLite result code as drivers give it.
type codedError int

func (e codedError) Error() string { return fmt.Sprintf("result code %d", int(e)) }
func (e codedError) Code() int     { return int(e) }

func TestEventStoreIsAppendOnly(t *testing.T) {
	s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	if _, err := s.Append(t.Context(), stream, store.NoStream, events(2)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE event_store SET actor = 'x'", "DELETE FROM event_store WHERE version = 2"} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: got error %v", statement, err)
		}
	}
}

var stream = store.Stream{Category: "product", ID: "p-1"}

func openDB(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
