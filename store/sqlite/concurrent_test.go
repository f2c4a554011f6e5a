package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

// TestTwoStores has two values on one file, as two processes would.
func TestTwoStores(t *testing.T) {
	for name, dsn := range map[string]func(path string) string{
		"with DSN":                      sqlite.DSN,
		"without _txlock=immediate too": func(path string) string { return strings.Replace(sqlite.DSN(path), "_txlock=immediate&", "", 1) },
	} {
		t.Run("appends of two stores on one file conflict or win, and none is lost, "+name, func(t *testing.T) {
			const appends = 60
			path := filepath.Join(t.TempDir(), "a.db")
			var wg sync.WaitGroup
			for range 2 {
				s, err := sqlite.Open(t.Context(), openDB(t, dsn(path)))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					wg.Go(func() { appendEach(t, s, appends) })
				}
			}
			wg.Wait()
			s, _ := openStore(t, path)
			messages, err := s.Read(t.Context(), stream, 0, 1<<20)
			if err != nil || len(messages) != 2*2*appends {
				t.Fatalf("%d messages, error %v, want %d", len(messages), err, 2*2*appends)
			}
			for i, m := range messages {
				if m.Version != int64(i)+1 {
					t.Fatalf("message %d has version %d", i+1, m.Version)
				}
			}
		})
	}
}

// appendEach appends n events one by one, each at the version it has read, again
// after each conflict.
func appendEach(t *testing.T, s *sqlite.Store, n int) {
	var version int64
	for n > 0 {
		v, err := s.Append(t.Context(), stream, store.At(version), events(1))
		var conflict *store.ConflictError
		switch {
		case err == nil:
			version = v
			n--
		case errors.As(err, &conflict) && conflict.Actual > version:
			version = conflict.Actual
		default:
			t.Errorf("append: %v", err)
			return
		}
	}
}

func TestInTx(t *testing.T) {
	t.Run("what would wait for its own transaction fails at once with the cure", func(t *testing.T) {
		s, _ := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		err := s.InTx(t.Context(), func(ctx context.Context, _ *sql.Tx) error {
			_, appending := s.Append(ctx, stream, store.Any, events(1))
			_, readmitting := s.Readmit(ctx, true)
			_, requesting := s.AddRequest(ctx, store.Request{Consumer: board, Action: store.Pause})
			for name, err := range map[string]error{
				"Append":        appending,
				"AddRequest":    requesting,
				"Readmit":       readmitting,
				"Refuse":        s.Refuse(ctx, 1, "e", 0),
				"MarkPublished": s.MarkPublished(ctx, []int64{1}, nil),
				"WriteSnapshot": s.WriteSnapshot(ctx, store.Snapshot{Stream: stream, Version: 1, EventID: "e", ContentType: "c"}),
				"InTx":          s.InTx(ctx, func(context.Context, *sql.Tx) error { return nil }),
			} {
				if err == nil || !strings.Contains(err.Error(), "WithTx(tx)") {
					t.Errorf("%s: got error %v, want the cure", name, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("it does not try again by itself, not even after passing trouble", func(t *testing.T) {
		s, _ := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		runs, busy := 0, codedError(5)
		err := s.InTx(t.Context(), func(context.Context, *sql.Tx) error {
			runs++
			return busy
		})
		if err != busy || !s.IsTransient(err) || runs != 1 {
			t.Errorf("%d runs, error %v", runs, err)
		}
	})
	t.Run("reads do not wait for a transaction that has written", func(t *testing.T) {
		s, _ := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		if _, err := s.Append(t.Context(), stream, store.Any, events(2)); err != nil {
			t.Fatal(err)
		}
		err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if _, err := s.WithTx(tx).Append(ctx, stream, store.At(2), events(1)); err != nil {
				return err
			}
			messages, err := s.Read(ctx, stream, 0, 10)
			if err == nil && len(messages) != 2 {
				t.Errorf("the read gives %d messages, want the 2 that are committed", len(messages))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// endless writes until its context ends.
const endless = `INSERT INTO outbox (position)
	WITH RECURSIVE n (i) AS (SELECT -1 UNION ALL SELECT i - 1 FROM n) SELECT i FROM n`

func TestInterruptedStatement(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error{
		"a mark": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.SetMarks(ctx, tx, "c", []store.Mark{{Stream: stream, Version: 1}})
		},
		"a queue": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.SetQueue(ctx, tx, store.Queue{Consumer: "c", Stream: stream, Version: 1, Reason: store.Gap}, 0)
		},
		"a deleted queue": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.DeleteQueue(ctx, tx, "c", stream)
		},
		"a queued message": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.Enqueue(ctx, tx, "c", []store.QueuedMessage{{Message: store.Message{Stream: stream, Version: 1}}})
		},
		"a dequeued message": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.Dequeue(ctx, tx, "c", stream, 1)
		},
		"a key": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			_, err := s.Remember(ctx, tx, "c", []store.EventKey{{ID: "1"}})
			return err
		},
		"a dead letter": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.AddDeadLetter(ctx, tx, store.DeadLetter{Consumer: "c"})
		},
		"a forgotten consumer": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error { return s.Reset(ctx, tx, "c") },
		"a new consumer": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			_, err := s.CreateConsumer(ctx, tx, store.Consumer{ConsumerID: store.ConsumerID{Name: "new"}})
			return err
		},
		"a locked consumer": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			_, _, err := s.LockConsumer(ctx, tx, board)
			return err
		},
		"a saved consumer": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.SaveConsumer(ctx, tx, store.Consumer{ConsumerID: board})
		},
		"another name": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.RenameConsumer(ctx, tx, board, "new")
		},
		"a deleted consumer": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.DeleteConsumer(ctx, tx, board)
		},
		"a position": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.Advance(ctx, tx, store.Claim{Consumer: board}, store.Progress{Position: 1}, time.Minute)
		},
		"a parked stream": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.SetParked(ctx, tx, store.Parked{Consumer: board, Stream: stream}, time.Minute)
		},
		"a stream that flows again": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			return s.DeleteParked(ctx, tx, board, stream)
		},
		"found streams": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			_, err := s.FindParked(ctx, tx, board, []store.Stream{stream})
			return err
		},
		"a redrive": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			_, err := s.RedriveParked(ctx, tx, board, stream)
			return err
		},
		"the outcome of a request": func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) error {
			_, err := s.FinishRequest(ctx, tx, 1, "done")
			return err
		},
	} {
		t.Run(name+" does not commit without the writes that an interrupted statement has rolled back", func(t *testing.T) {
			s, _ := openStore(t, filepath.Join(t.TempDir(), "a.db"))
			create(t, s, board, 1)
			err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
				if _, err := tx.ExecContext(short, endless); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got error %v, want context.DeadlineExceeded", err)
				}
				if err := change(ctx, s, tx); err == nil {
					t.Error("it was written")
				}
				return nil // a handler that overlooks both
			})
			if err == nil {
				t.Error("InTx reports a commit")
			}
		})
	}
}

func TestTransient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	_, db := openStore(t, path)
	impatient := openDB(t, strings.Replace(sqlite.DSN(path), "10000", "1", 1))
	s, err := sqlite.Open(t.Context(), impatient)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin() // takes the write lock
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	t.Run("a lock that another process holds for too long is transient", func(t *testing.T) {
		if err := s.InTx(t.Context(), func(context.Context, *sql.Tx) error { return nil }); !s.IsTransient(err) {
			t.Errorf("InTx: %v is not transient", err)
		}
		if _, err := s.Append(t.Context(), stream, store.Any, events(1)); !s.IsTransient(err) {
			t.Errorf("Append: %v is not transient", err)
		}
	})
	t.Run("a broken constraint, a wrong statement and the end of a context are not", func(t *testing.T) {
		_, constraint := tx.Exec("INSERT INTO outbox (position) VALUES (1), (1)")
		_, syntax := tx.Exec("SELEC 1")
		for _, err := range []error{constraint, syntax, context.DeadlineExceeded, nil} {
			if s.IsTransient(err) {
				t.Errorf("%v is transient", err)
			}
		}
	})
}
