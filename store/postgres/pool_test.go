package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A pool of one connection serves many, one at a time. What would need a second one
// inside of a transaction ends with its context, and writes nothing.
func TestAPoolOfOneConnection(t *testing.T) {
	t.Parallel() // it mostly waits
	config := pgtest.Pool(t).Config().Copy()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() {
			appendTo(t, s, fmt.Sprint(i%3), 1)
			if _, err := s.ReadAll(t.Context(), 0, 100); err != nil {
				t.Error(err)
			}
			err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				_, err := s.WithTx(tx).Append(ctx, streamOf(fmt.Sprint(i%3)), store.Any, events(1))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	err = s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		for name, call := range map[string]func(ctx context.Context) error{
			"Append": func(ctx context.Context) error {
				_, err := s.Append(ctx, streamOf("outside"), store.Any, events(1))
				return err
			},
			"Read": func(ctx context.Context) error { _, err := s.Read(ctx, stream, 0, 1); return err },
			"InTx": func(ctx context.Context) error {
				return s.InTx(ctx, func(context.Context, pgx.Tx) error { return nil })
			},
		} {
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			if err := call(short); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("%s: got error %v", name, err)
			}
			cancel()
		}
		_, err := s.WithTx(tx).Append(ctx, streamOf("inside"), store.Any, events(1))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.ReadAll(t.Context(), 0, 100)
	if err != nil || len(log) != 41 || log[40].Stream.ID != "inside" {
		t.Errorf("%d messages, error %v, want 41", len(log), err)
	}
}

// As many transactions as the pool has connections, each of which appends through
// the store, would wait for a connection that none of them gives back.
func TestTransactionsThatAppendOutsideLeaveAConnection(t *testing.T) {
	const connections = 3
	config := pgtest.Pool(t).Config().Copy()
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var inside atomic.Int64
	all := make(chan struct{}) // closed when every connection has a transaction
	var running sync.WaitGroup
	for i := range 2 * connections {
		running.Go(func() {
			err := s.InTx(ctx, func(ctx context.Context, _ pgx.Tx) error {
				if inside.Add(1) == connections {
					close(all)
				}
				select { // long enough for the others to come in, if they can
				case <-all:
				case <-time.After(200 * time.Millisecond):
				}
				_, err := s.Append(ctx, store.Stream{Category: "product", ID: fmt.Sprint(i)}, store.NoStream, events(1))
				inside.Add(-1)
				return err
			})
			if err != nil {
				t.Errorf("transaction %d: %v", i, err)
			}
		})
	}
	running.Wait()
}
