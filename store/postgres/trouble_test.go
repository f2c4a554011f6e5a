package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func poolOf(t testing.TB, url string, connections int32) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// mustRefuse fails the test unless an append was refused, for a reason that passes,
// and is known to have written nothing.
func mustRefuse(t *testing.T, s *postgres.Store, err error) {
	t.Helper()
	if err == nil || errors.Is(err, store.ErrOutcomeUnknown) || errors.Is(err, store.ErrConflict) || !s.IsTransient(err) {
		t.Errorf("got error %v", err)
	}
}

// TestAServerThatHasNoRoom has a server that is out of connections, out of locks and
// read-only. What it refuses is not stored, and the store goes on when it is over.
func TestAServerThatHasNoRoom(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{
		"max_connections": "8", "superuser_reserved_connections": "0", "max_locks_per_transaction": "10", "autovacuum": "off",
	}})
	s := openStore(t, poolOf(t, server.URL(), 4))
	t.Run("no connection is left", func(t *testing.T) {
		var taken []*pgx.Conn
		for {
			conn, err := pgx.Connect(t.Context(), server.URL())
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
		other := poolOf(t, server.URL(), 4)
		if _, err := postgres.Open(t.Context(), other, postgres.Config{}); err == nil || !s.IsTransient(err) {
			t.Errorf("Open: got error %v", err)
		}
		taken[0].Close(t.Context())
		var late *postgres.Store
		for late == nil { // the server takes a moment to notice
			late, _ = postgres.Open(t.Context(), other, postgres.Config{})
		}
		other.Reset()
		again, err := pgx.Connect(t.Context(), server.URL())
		for err != nil {
			again, err = pgx.Connect(t.Context(), server.URL())
		}
		_, err = late.Append(t.Context(), streamOf("connections"), store.NoStream, events(1))
		mustRefuse(t, late, err)
		_, err = late.Read(t.Context(), stream, 0, 1)
		if err == nil || !s.IsTransient(err) {
			t.Errorf("Read: got error %v", err)
		}
		for _, conn := range append(taken[1:], again) {
			conn.Close(t.Context())
		}
		for err != nil { // until the server has noticed
			_, err = late.Append(t.Context(), streamOf("connections"), store.NoStream, events(1))
		}
	})
	t.Run("there is no room for so many locks", func(t *testing.T) {
		// A transaction that takes the room of all others.
		hog, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer hog.Close(context.Background())
		if _, err := hog.Exec(t.Context(), "BEGIN; CREATE TABLE t ()"); err != nil {
			t.Fatal(err)
		}
		next := 0
		for _, step := range []int{100, 1} {
			for err := error(nil); err == nil; next += step {
				_, err = hog.Exec(t.Context(), fmt.Sprintf("SAVEPOINT s; SELECT pg_advisory_xact_lock(g) FROM generate_series(%d, %d) AS g; RELEASE s", next, next+step-1), pgx.QueryExecModeSimpleProtocol)
			}
			if _, err := hog.Exec(t.Context(), "ROLLBACK TO s"); err != nil {
				t.Fatal(err)
			}
		}
		var stored atomic.Int64
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if _, err := s.Append(t.Context(), streamOf(fmt.Sprint("locks ", i)), store.NoStream, events(1)); err != nil {
					mustRefuse(t, s, err)
					return
				}
				stored.Add(1)
			})
		}
		wg.Wait()
		if stored.Load() == 200 {
			t.Error("nothing was refused")
		}
		if _, err := hog.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			wg.Go(func() {
				if _, err := s.Append(t.Context(), streamOf(fmt.Sprint("locks ", i)), store.Any, events(1)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if log, err := s.ReadAll(t.Context(), 0, 1000); err != nil || int64(len(log)) != 1+200+stored.Load() {
			t.Errorf("%d messages, error %v, want %d", len(log), err, 1+200+stored.Load())
		}
	})
	t.Run("it is read-only", func(t *testing.T) {
		set := func(value string) {
			conn, err := pgx.Connect(t.Context(), server.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = " + value, "SELECT pg_reload_conf()"} {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			for is := ""; is != value; {
				if err := conn.QueryRow(t.Context(), "SHOW default_transaction_read_only").Scan(&is); err != nil {
					t.Fatal(err)
				}
			}
		}
		readOnly := streamOf("read-only")
		appendTo(t, s, readOnly.ID, 1)
		set("on")
		var err error
		for err == nil { // the session may not have been told yet
			_, err = s.Append(t.Context(), readOnly, store.Any, events(1))
		}
		mustRefuse(t, s, err)
		page, err := s.Read(t.Context(), readOnly, 0, 1000)
		if err != nil || len(page) == 0 {
			t.Errorf("Read: %d messages, error %v", len(page), err)
		}
		set("off")
		for err = errors.New("not told"); err != nil; {
			_, err = s.Append(t.Context(), readOnly, store.At(int64(len(page))), events(1))
		}
	})
}
