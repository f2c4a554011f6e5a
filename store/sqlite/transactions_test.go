package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

// openImpatient opens a file in which a writer that finds the lock taken fails
// at once.
func openImpatient(t *testing.T) (*sqlite.Store, *sql.DB) {
	t.Helper()
	db := openDB(t, strings.Replace(sqlite.DSN(filepath.Join(t.TempDir(), "a.db")), "10000", "0", 1))
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE users (name TEXT)"); err != nil {
		t.Fatal(err)
	}
	return s, db
}

func addUser(ctx context.Context, tx *sql.Tx, name string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO users (name) VALUES (?)", name)
	return err
}

func wantUsers(t *testing.T, db *sql.DB, want string) {
	t.Helper()
	var got string
	if err := db.QueryRow("SELECT coalesce(group_concat(name, ' '), '') FROM users").Scan(&got); err != nil || got != want {
		t.Fatalf("the users are %q, error %v, want %q", got, err, want)
	}
}

// wantNoConnection checks that every connection is back in the pool.
func wantNoConnection(t *testing.T, db *sql.DB) {
	t.Helper()
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
}

func TestInTxAfterTheEndOfItsContext(t *testing.T) {
	t.Run("a handler that hangs neither keeps the lock nor can write, and its end takes nobody's turn", func(t *testing.T) {
		s, db := openImpatient(t)
		ctx, cancel := context.WithCancel(t.Context())
		hung, wake, ended := make(chan *sql.Tx), make(chan struct{}), make(chan error)
		go func() {
			ended <- s.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
				err := addUser(ctx, tx, "lost")
				hung <- tx
				<-wake
				return err
			})
		}()
		tx := <-hung
		cancel()
		err := s.InTx(t.Context(), func(ctx context.Context, second *sql.Tx) error {
			if err := addUser(t.Context(), tx, "late"); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("the first transaction takes a statement: error %v, want sql.ErrTxDone", err)
			}
			close(wake)
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the first transaction: got error %v, want context.Canceled", err)
			}
			if !s.HasWriter() {
				t.Error("the end of the first transaction has given back the turn of the second")
			}
			return addUser(ctx, second, "kept")
		})
		if err != nil {
			t.Fatal(err)
		}
		wantUsers(t, db, "kept")
		wantNoConnection(t, db)
	})
	t.Run("the next writer does not start before the rollback is done", func(t *testing.T) {
		s, db := openImpatient(t)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			next := make(chan error)
			err := s.InTx(ctx, func(context.Context, *sql.Tx) error {
				go func() {
					next <- s.InTx(t.Context(), func(context.Context, *sql.Tx) error { return nil })
				}()
				cancel()
				return <-next // while this function has not returned
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want context.Canceled", err)
			}
		}
		wantUsers(t, db, "")
	})
	t.Run("the next writer does not start while a statement with another context is running", func(t *testing.T) {
		s, _ := openImpatient(t)
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			started := make(chan struct{})
			go func() {
				ended <- s.InTx(ctx, func(_ context.Context, tx *sql.Tx) error {
					close(started)
					_, err := tx.ExecContext(t.Context(), `INSERT INTO users (name) SELECT * FROM (
						WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 10000
					)`)
					return err
				})
			}()
			<-started
			cancel()
			if err := s.InTx(t.Context(), func(context.Context, *sql.Tx) error { return nil }); err != nil {
				t.Fatalf("the next transaction: %v", err)
			}
			<-ended
		}
	})
	t.Run("nothing commits that a handler writes after the end has interrupted a statement", func(t *testing.T) {
		s, db := openImpatient(t)
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2000))*time.Microsecond)
			err := s.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
				_, interrupted := tx.ExecContext(ctx, endless)
				late := addUser(t.Context(), tx, "late")
				if interrupted == nil || late == nil {
					t.Errorf("the endless statement: error %v; the one after it: error %v", interrupted, late)
				}
				return nil // a handler that overlooks both
			})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want context.DeadlineExceeded", err)
			}
			wantUsers(t, db, "")
		}
	})
	t.Run("a write that the end interrupts gives its turn back after its rollback", func(t *testing.T) {
		s, db := openImpatient(t)
		if _, err := s.Append(t.Context(), stream, store.Any, events(1)); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(200))*time.Microsecond)
			_ = s.WriteSnapshot(ctx, store.Snapshot{Stream: stream, Version: 1, EventID: "e", ContentType: "c"})
			cancel()
			if err := s.MarkPublished(t.Context(), []int64{7}, nil); err != nil {
				t.Fatalf("the next write: %v", err)
			}
		}
		wantNoConnection(t, db)
	})
}

func TestContextOfATransaction(t *testing.T) {
	s, _ := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	type key struct{}
	t.Run("it has the values and the deadline of its parent, and ends with InTx", func(t *testing.T) {
		parent, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Hour)
		defer cancel()
		var inner, child context.Context
		err := s.InTx(parent, func(ctx context.Context, _ *sql.Tx) error {
			inner = ctx
			var cancel context.CancelFunc
			child, cancel = context.WithTimeout(ctx, time.Hour)
			_ = context.AfterFunc(ctx, cancel)
			want, _ := parent.Deadline()
			if got, ok := ctx.Deadline(); !ok || !got.Equal(want) || ctx.Value(key{}) != "value" || ctx.Err() != nil {
				t.Errorf("deadline %v, value %v, error %v", got, ctx.Value(key{}), ctx.Err())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-child.Done()
		if !errors.Is(inner.Err(), context.Canceled) || !errors.Is(child.Err(), context.Canceled) {
			t.Errorf("errors %v and %v, want context.Canceled", inner.Err(), child.Err())
		}
	})
	t.Run("it ends with its parent, for the same reason", func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := s.InTx(parent, func(ctx context.Context, tx *sql.Tx) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			return child.Err()
		})
		if err != context.DeadlineExceeded {
			t.Errorf("got error %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("it ends with its parent, but not before the transaction refuses statements", func(t *testing.T) {
		for range 1000 {
			parent, cancel := context.WithCancel(t.Context())
			_ = s.InTx(parent, func(ctx context.Context, tx *sql.Tx) error {
				go cancel()
				for ctx.Err() == nil { // waiting for Done would take longer than what is looked for
				}
				if _, err := tx.Exec("SELECT 1"); !errors.Is(err, sql.ErrTxDone) {
					t.Errorf("a statement after the end: error %v, want sql.ErrTxDone", err)
				}
				return nil
			})
		}
	})
}

func TestTransactionEndedByItsHandler(t *testing.T) {
	for name, end := range map[string]func(tx *sql.Tx) error{"commits": (*sql.Tx).Commit, "rolls back": (*sql.Tx).Rollback} {
		t.Run("a handler that "+name+" is told that it must not", func(t *testing.T) {
			s, _ := openStore(t, filepath.Join(t.TempDir(), "a.db"))
			err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := end(tx); (err != nil) != (name == "commits") {
					t.Errorf("the end of the transaction: error %v", err)
				}
				if err := s.Advance(ctx, tx, store.Claim{Consumer: board}, store.Progress{}, 0); err == nil {
					t.Error("Advance does not notice")
				}
				return nil
			})
			if !errors.Is(err, sql.ErrTxDone) || !strings.Contains(err.Error(), "do not end it inside f") {
				t.Errorf("got error %v, want the cure", err)
			}
			if err := s.InTx(t.Context(), func(context.Context, *sql.Tx) error { return nil }); err != nil {
				t.Errorf("the next transaction: %v", err)
			}
		})
	}
}
