package postgres_test

import (
	"context"
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
