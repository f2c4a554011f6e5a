package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestWithTx(t *testing.T) {
	setup := func(t *testing.T) (*postgres.Store, *pgxpool.Pool) {
		pool := pgtest.Pool(t)
		execAll(t, pool, "CREATE TABLE users (name text)")
		return openStore(t, pool), pool
	}
	// holds checks how many of the user's rows, events and outbox rows are
	// committed.
	holds := func(t *testing.T, pool *pgxpool.Pool, users, events int) {
		t.Helper()
		for table, want := range map[string]int{"users": users, "event_store": events, "outbox": events} {
			var n int
			if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != want {
				t.Errorf("%s has %d rows, error %v, want %d", table, n, err, want)
			}
		}
	}
	t.Run("a commit keeps the user's rows, their events and outbox rows", func(t *testing.T) {
		s, pool := setup(t)
		tx := begin(t, pool)
		execTx(t, tx, "INSERT INTO users (name) VALUES ('someone')")
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
		holds(t, pool, 0, 0)
		commit(t, tx)
		holds(t, pool, 1, 113)
	})
	t.Run("a rollback keeps none of them", func(t *testing.T) {
		s, pool := setup(t)
		tx := begin(t, pool)
		execTx(t, tx, "INSERT INTO users (name) VALUES ('someone')")
		appendTo(t, s.WithTx(tx), "p-1", 2)
		rollback(t, tx)
		holds(t, pool, 0, 0)
		if _, err := s.Append(t.Context(), stream, store.NoStream, events(1)); err != nil {
			t.Errorf("append after the rollback: %v", err)
		}
	})
	t.Run("the transaction of the inbox carries appends", func(t *testing.T) {
		s, pool := setup(t)
		if err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO users (name) VALUES ('someone')"); err != nil {
				return err
			}
			_, err := s.WithTx(tx).Append(ctx, stream, store.NoStream, events(3))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		holds(t, pool, 1, 3)
	})
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		beginAt := func(t *testing.T, pool *pgxpool.Pool) pgx.Tx {
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
			execTx(t, tx, "INSERT INTO users (name) VALUES ('someone')") // takes the snapshot
			return tx
		}
		t.Run(fmt.Sprintf("a conflict and a refusal leave the transaction usable, %s", level), func(t *testing.T) {
			s, pool := setup(t)
			tx := beginAt(t, pool)
			in := s.WithTx(tx)
			_, err := in.Append(t.Context(), stream, store.At(7), events(1))
			mustConflict(t, err, store.At(7), 0)
			if _, err := in.Append(t.Context(), stream, store.Any, nil); !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("got error %v, want a refusal", err)
			}
			if _, err := in.Append(t.Context(), stream, store.NoStream, events(1)); err != nil {
				t.Fatal(err)
			}
			commit(t, tx)
			holds(t, pool, 1, 1)
		})
		t.Run(fmt.Sprintf("an append behind one that the snapshot does not see is a conflict with the actual version, %s", level), func(t *testing.T) {
			s, pool := setup(t)
			tx := beginAt(t, pool)
			appendTo(t, s, "p-1", 2)
			_, err := s.WithTx(tx).Append(t.Context(), stream, store.NoStream, events(1))
			mustConflict(t, err, store.NoStream, 2)
			execTx(t, tx, "INSERT INTO users (name) VALUES ('another')")
			if _, err := s.WithTx(tx).Append(t.Context(), streamOf("another"), store.NoStream, events(1)); err != nil {
				t.Fatal(err)
			}
			commit(t, tx)
			holds(t, pool, 2, 3)
		})
		t.Run(fmt.Sprintf("an append that waited for the winner is a conflict with the actual version, %s", level), func(t *testing.T) {
			s, pool := setup(t)
			winner, loser := begin(t, pool), beginAt(t, pool)
			appendTo(t, s.WithTx(winner), "p-1", 3)
			lost := make(chan error, 1)
			go func() {
				_, err := s.WithTx(loser).Append(t.Context(), stream, store.NoStream, events(1))
				lost <- err
			}()
			awaitWaiting(t, pool, 1)
			commit(t, winner)
			mustConflict(t, <-lost, store.NoStream, 3)
			commit(t, loser)
			holds(t, pool, 1, 3)
		})
	}
	t.Run("an append that fails on the server leaves nothing of it, and the transaction usable", func(t *testing.T) {
		s, pool := setup(t)
		execAll(t, pool, "ALTER TABLE event_store ADD CONSTRAINT boom CHECK (version <> 105)")
		tx := begin(t, pool)
		execTx(t, tx, "INSERT INTO users (name) VALUES ('someone')")
		if _, err := s.WithTx(tx).Append(t.Context(), stream, store.NoStream, events(110)); err == nil || errors.Is(err, store.ErrConflict) {
			t.Fatalf("got error %v, want the server's", err)
		}
		commit(t, tx)
		holds(t, pool, 1, 0)
	})
	t.Run("of two transactions that deadlock on streams one gets a conflict and can go on", func(t *testing.T) {
		s, pool := setup(t)
		execAll(t, pool, "SELECT 1")
		txs := []pgx.Tx{begin(t, pool), begin(t, pool)}
		for i, tx := range txs {
			execTx(t, tx, "SET LOCAL deadlock_timeout = '10ms'")
			appendTo(t, s.WithTx(tx), fmt.Sprint(i), 1)
		}
		errs := make(chan error, 2)
		for i, tx := range txs {
			go func() {
				_, err := s.WithTx(tx).Append(t.Context(), streamOf(fmt.Sprint(1-i)), store.Any, events(1))
				// Both can still commit what they have appended before.
				errs <- errors.Join(err, tx.Commit(t.Context()))
			}()
		}
		conflicts := 0
		for range txs {
			switch err := <-errs; {
			case errors.Is(err, store.ErrConflict):
				conflicts++
			case err != nil:
				t.Error(err)
			}
		}
		if conflicts != 1 {
			t.Errorf("%d conflicts, want 1", conflicts)
		}
		holds(t, pool, 0, 3)
	})
	t.Run("a lock timeout is no conflict, and leaves the transaction usable", func(t *testing.T) {
		s, pool := setup(t)
		holder, waiter := begin(t, pool), begin(t, pool)
		appendTo(t, s.WithTx(holder), "p-1", 1)
		execTx(t, waiter, "SET LOCAL lock_timeout = '10ms'")
		_, err := s.WithTx(waiter).Append(t.Context(), stream, store.At(0), events(1))
		if err == nil || errors.Is(err, store.ErrConflict) || !s.IsTransient(err) {
			t.Errorf("got error %v", err)
		}
		appendTo(t, s.WithTx(waiter), "another", 1)
		commit(t, waiter)
		holds(t, pool, 0, 1)
	})
	t.Run("a transaction of another database is refused", func(t *testing.T) {
		s, pool := setup(t)
		if _, err := s.WithTx(begin(t, database(t, pool))).Append(t.Context(), stream, store.Any, events(1)); err == nil {
			t.Error("it was not")
		}
	})
	t.Run("snapshots are read and written in the transaction", func(t *testing.T) {
		s, pool := setup(t)
		appendTo(t, s, "p-1", 3)
		tx := begin(t, pool)
		bound := s.WithTx(tx)
		appendTo(t, bound, "p-1", 2)
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
		execTx(t, tx, "ALTER TABLE snapshots ADD CONSTRAINT boom CHECK (schema <> 7)")
		snap.Schema = 7
		if err := bound.WriteSnapshot(t.Context(), snap); err == nil {
			t.Error("the second one was written")
		}
		commit(t, tx)
		if got, _, err := s.ReadSnapshot(t.Context(), stream, 1, 10); err != nil || got.Version != 5 {
			t.Errorf("after the commit: %+v, error %v", got, err)
		}
	})
	t.Run("a context that ends while an append waits ends it", func(t *testing.T) {
		s, pool := setup(t)
		holder, waiter := begin(t, pool), begin(t, pool)
		appendTo(t, s.WithTx(holder), "p-1", 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := s.WithTx(waiter).Append(ctx, stream, store.Any, events(1))
			ended <- err
		}()
		awaitWaiting(t, pool, 1)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	})
}

func mustConflict(t testing.TB, err error, expected store.Expected, actual int64) {
	t.Helper()
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || conflict.Expected != expected || conflict.Actual != actual {
		t.Fatalf("got error %v, want a conflict: expected %d, have %d", err, expected.Version, actual)
	}
}
