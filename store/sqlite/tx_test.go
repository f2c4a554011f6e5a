package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

func TestWithTx(t *testing.T) {
	setup := func(t *testing.T) (*sqlite.Store, *sql.DB) {
		s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		if _, err := db.Exec("CREATE TABLE users (name TEXT)"); err != nil {
			t.Fatal(err)
		}
		return s, db
	}
	// holds checks how many of the user's rows, events and outbox rows are
	// committed.
	holds := func(t *testing.T, db *sql.DB, users, events int) {
		t.Helper()
		for table, want := range map[string]int{"users": users, "event_store": events, "outbox": events} {
			var n int
			if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != want {
				t.Errorf("%s has %d rows, error %v, want %d", table, n, err, want)
			}
		}
	}
	begin := func(t *testing.T, db *sql.DB) *sql.Tx {
		tx, err := db.BeginTx(t.Context(), nil)
		if err == nil {
			_, err = tx.Exec("INSERT INTO users (name) VALUES ('someone')")
		}
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}

	t.Run("a commit keeps the user's rows, their events and outbox rows", func(t *testing.T) {
		s, db := setup(t)
		tx := begin(t, db)
		in := s.WithTx(tx)
		if v, err := in.Append(t.Context(), stream, store.NoStream, events(2)); err != nil || v != 2 {
			t.Fatalf("version %d, error %v", v, err)
		}
		if v, err := in.Append(t.Context(), stream, store.At(2), events(111)); err != nil || v != 113 {
			t.Fatalf("version %d, error %v", v, err)
		}
		if got, err := in.Read(t.Context(), stream, 0, 200); err != nil || len(got) != 113 {
			t.Fatalf("%d messages inside, error %v", len(got), err)
		}
		holds(t, db, 0, 0)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		holds(t, db, 1, 113)
	})
	t.Run("a rollback keeps none of them", func(t *testing.T) {
		s, db := setup(t)
		tx := begin(t, db)
		if _, err := s.WithTx(tx).Append(t.Context(), stream, store.NoStream, events(2)); err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		holds(t, db, 0, 0)
		if _, err := s.Append(t.Context(), stream, store.NoStream, events(1)); err != nil {
			t.Errorf("append after the rollback: %v", err)
		}
	})
	t.Run("a conflict and a refusal leave the transaction usable", func(t *testing.T) {
		s, db := setup(t)
		tx := begin(t, db)
		in := s.WithTx(tx)
		var conflict *store.ConflictError
		if _, err := in.Append(t.Context(), stream, store.At(7), events(1)); !errors.As(err, &conflict) || conflict.Actual != 0 {
			t.Fatalf("got error %v, want a conflict", err)
		}
		if _, err := in.Append(t.Context(), stream, store.Any, nil); !errors.Is(err, store.ErrInvalid) {
			t.Fatalf("got error %v, want a refusal", err)
		}
		if _, err := in.Append(t.Context(), stream, store.NoStream, events(1)); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		holds(t, db, 1, 1)
	})
	t.Run("an append that fails halfway leaves nothing of it in the transaction", func(t *testing.T) {
		s, db := setup(t)
		// FAIL keeps the rows that the statement has inserted before.
		if _, err := db.Exec(`CREATE TRIGGER boom AFTER INSERT ON event_store WHEN NEW.version = 105
			BEGIN SELECT raise(FAIL, 'boom'); END`); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db)
		if _, err := s.WithTx(tx).Append(t.Context(), stream, store.NoStream, events(110)); err == nil {
			t.Fatal("the append did not fail")
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		holds(t, db, 1, 0)
	})
	t.Run("the end of a context does not tear an append from the rest of the transaction", func(t *testing.T) {
		s, db := setup(t)
		// The first insert takes a while, so that the context ends within it.
		if _, err := db.Exec(`CREATE TRIGGER slow AFTER INSERT ON event_store WHEN NEW.version = 1 BEGIN
			INSERT INTO users (name) SELECT * FROM (
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 500000
			) WHERE i < 0;
		END`); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if v, err := s.WithTx(tx).Append(ctx, stream, store.NoStream, events(1)); err != nil || v != 1 {
			t.Errorf("version %d, error %v", v, err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		holds(t, db, 1, 1)
	})
	t.Run("the transaction of the inbox carries appends", func(t *testing.T) {
		s, db := setup(t)
		err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO users (name) VALUES ('someone')"); err != nil {
				return err
			}
			_, err := s.WithTx(tx).Append(ctx, stream, store.NoStream, events(3))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, db, 1, 3)
	})
	t.Run("a transaction of another database is refused", func(t *testing.T) {
		s, _ := setup(t)
		_, another := setup(t)
		tx := begin(t, another)
		defer tx.Rollback()
		if _, err := s.WithTx(tx).Append(t.Context(), stream, store.Any, events(1)); err == nil {
			t.Error("it was not")
		}
	})
}

// A full disk makes SQLite roll back the whole transaction, or no more than the
// append. What is written after it must not commit by itself.
func TestAFullDiskEndsTheTransaction(t *testing.T) {
	ended := 0
	for n := 1; n <= 128; n *= 2 {
		s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		if _, err := db.Exec("CREATE TABLE ledger (what TEXT)"); err != nil {
			t.Fatal(err)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		var pages int
		if _, err := tx.Exec("INSERT INTO ledger VALUES ('debit')"); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages+1)); err != nil {
			t.Fatal(err)
		}
		large := events(n)
		for i := range large {
			large[i].Data = make([]byte, 60_000)
		}
		_, full := s.WithTx(tx).Append(t.Context(), stream, store.Any, large)
		if full == nil || !s.IsTransient(full) {
			t.Fatalf("append: got error %v", full)
		}
		want := 0
		if strings.Contains(full.Error(), "rolled back") {
			ended++
			if _, err := tx.Exec("INSERT INTO ledger VALUES ('credit')"); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("%d events: the transaction goes on: got error %v", n, err)
			}
		} else {
			want = 2
			if _, err := tx.Exec("PRAGMA max_page_count = 1000000"); err != nil { // somebody has made room
				t.Fatal(err)
			}
			if _, err := tx.Exec("INSERT INTO ledger VALUES ('credit')"); err != nil {
				t.Errorf("%d events: the transaction is over, and the append has not said so: %v", n, err)
			}
			if err := tx.Commit(); err != nil {
				t.Errorf("%d events: commit: %v", n, err)
			}
		}
		rows := -1
		if err := db.QueryRow("SELECT count(*) FROM ledger").Scan(&rows); err != nil || rows != want {
			t.Errorf("%d events: %d rows, error %v, want %d", n, rows, err, want)
		}
	}
	if ended == 0 {
		t.Error("SQLite has rolled back no transaction")
	}
}

func TestSnapshotsInATransaction(t *testing.T) {
	s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	bound := s.WithTx(tx)
	if _, err := bound.Append(t.Context(), stream, store.NoStream, events(5)); err != nil {
		t.Fatal(err)
	}
	snap := store.Snapshot{Stream: stream, Schema: 1, Version: 5, EventID: eventID(t, bound, 5), ContentType: "c", Data: []byte("state")}
	if err := bound.WriteSnapshot(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	if got, page, err := bound.ReadSnapshot(t.Context(), stream, 1, 10); err != nil || got.Version != 5 || len(page) != 0 {
		t.Errorf("inside: %+v, %d messages, error %v", got, len(page), err)
	}
	if got, _, err := s.ReadSnapshot(t.Context(), stream, 1, 10); err != nil || got.Version != 0 {
		t.Errorf("outside: %+v, error %v", got, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.ReadSnapshot(t.Context(), stream, 1, 10); err != nil || got.Version != 5 {
		t.Errorf("after the commit: %+v, error %v", got, err)
	}
}
