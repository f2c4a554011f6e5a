package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestAppend(t *testing.T) {
	t.Run("a conflict draws no position, and a lost race neither", func(t *testing.T) {
		pool := widePool(t)
		s := openStore(t, pool)
		appendTo(t, s, "p-1", 1)
		for _, expected := range []store.Expected{store.NoStream, store.At(2), store.At(8)} {
			_, err := s.Append(t.Context(), stream, expected, events(5))
			mustConflict(t, err, expected, 1)
		}
		winner := begin(t, pool)
		appendTo(t, s.WithTx(winner), "p-1", 1)
		lost := make(chan error)
		for range 5 { // as 5 processes
			another, sent := watched(t, pool)
			go func() {
				_, err := another.Append(t.Context(), stream, store.At(1), events(5))
				lost <- err
			}()
			sent.await(2)
		}
		commit(t, winner)
		for range 5 {
			mustConflict(t, <-lost, store.At(1), 2)
		}
		appendTo(t, s, "p-1", 1)
		page, err := s.ReadAll(t.Context(), 0, 10)
		if err != nil || len(page) != 3 || page[2].Position != 3 {
			t.Errorf("the log is %+v, error %v, want the positions 1 to 3", page, err)
		}
	})
	t.Run("an open transaction on one stream makes appends to no other wait", func(t *testing.T) {
		pool := widePool(t)
		s := openStore(t, pool)
		open := begin(t, pool)
		appendTo(t, s.WithTx(open), "busy", 1)
		var behind sync.WaitGroup
		for range 8 {
			behind.Go(func() {
				if _, err := s.Append(t.Context(), streamOf("busy"), store.Any, events(1)); err != nil {
					t.Error(err)
				}
			})
		}
		var beside sync.WaitGroup
		for i := range 50 {
			beside.Go(func() {
				if _, err := s.Append(t.Context(), streamOf(fmt.Sprint(i)), store.NoStream, events(1)); err != nil {
					t.Error(err)
				}
			})
		}
		beside.Wait()
		commit(t, open)
		behind.Wait()
		if got, err := s.Read(t.Context(), streamOf("busy"), 0, 100); err != nil || len(got) != 9 {
			t.Errorf("%d messages, error %v, want 9", len(got), err)
		}
	})
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run("races are decided where the default isolation is "+level, func(t *testing.T) {
			config := pgtest.Pool(t).Config()
			config.ConnConfig.RuntimeParams["default_transaction_isolation"] = level
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			const stores, appends = 3, 15
			var wg sync.WaitGroup
			for range stores {
				s := openStore(t, pool)
				wg.Go(func() { appendEach(t, s, appends) })
				wg.Go(func() {
					for range appends {
						if _, err := s.Append(t.Context(), streamOf("of any version"), store.Any, events(1)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			got, err := openStore(t, pool).Read(t.Context(), stream, 0, 1000)
			if err != nil || len(got) != stores*appends {
				t.Fatalf("%d messages, error %v, want %d", len(got), err, stores*appends)
			}
			for i, m := range got {
				if m.Version != int64(i)+1 {
					t.Fatalf("message %d has version %d", i+1, m.Version)
				}
			}
		})
	}
	t.Run("those who wait for a stream leave connections to whoever has it", func(t *testing.T) {
		pool := pgtest.Pool(t)
		s, sent := watched(t, pool)
		open := begin(t, pool)
		appendTo(t, s.WithTx(open), "p-1", 1)
		var behind sync.WaitGroup
		for range int(pool.Config().MaxConns) * 2 {
			behind.Go(func() {
				if _, err := s.Append(t.Context(), stream, store.Any, events(1)); err != nil {
					t.Error(err)
				}
			})
		}
		sent.await(2)
		mustLog(t, s)
		appendTo(t, s, "another", 1)
		commit(t, open)
		behind.Wait()
	})
	t.Run("one that the server refuses fails alone, and those combined with it are written", func(t *testing.T) {
		pool := widePool(t)
		s := openStore(t, pool)
		execAll(t, pool, "ALTER TABLE event_store ADD CONSTRAINT boom CHECK (stream_id <> 'bad')")
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				id := fmt.Sprint(i)
				if i%5 == 0 {
					id = "bad"
				}
				_, err := s.Append(t.Context(), streamOf(id), store.Any, events(1))
				if bad := err != nil && strings.Contains(err.Error(), "boom"); bad != (id == "bad") {
					t.Errorf("append to %s: %v", id, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("who waits for a stream stops waiting when its context ends", func(t *testing.T) {
		pool := widePool(t)
		s, sent := watched(t, pool)
		appendTo(t, s.WithTx(begin(t, pool)), "p-1", 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := s.Append(ctx, stream, store.Any, events(1))
			ended <- err
		}()
		sent.await(2)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	})
}

// appendEach appends n events one by one, each at the version it has read, again
// after each conflict.
func appendEach(t *testing.T, s *postgres.Store, n int) {
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

// appendsSent counts the appends that a pool has sent to the server.
type appendsSent struct{ n atomic.Int64 }

// await returns when so many have been sent, so that the one before was answered.
func (a *appendsSent) await(n int64) {
	for a.n.Load() < n {
		time.Sleep(time.Millisecond)
	}
}

// watched opens the store with a pool of its own.
func watched(t testing.TB, pool *pgxpool.Pool) (*postgres.Store, *appendsSent) {
	t.Helper()
	sent := new(appendsSent)
	own := traced(t, pool, func(sql string) {
		if strings.Contains(sql, "append_") {
			sent.n.Add(1)
		}
	})
	return openStore(t, own), sent
}

// widePool has room for many who wait for each other.
func widePool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	config := pgtest.Pool(t).Config()
	config.MaxConns = 24
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
