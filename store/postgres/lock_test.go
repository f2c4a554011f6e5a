package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Appends that wait for one stream use up neither connections nor places that
// appends to others need, while another process is busy with these too.
func TestAppendsToFreeStreamsDoNotWaitForALockedOne(t *testing.T) {
	pool := pgtest.Pool(t)
	s, other := openStore(t, pool), openStore(t, pool)
	err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		if _, err := s.WithTx(tx).Append(ctx, streamOf("locked"), store.Any, events(1)); err != nil {
			return err
		}
		stop, cancel := context.WithCancel(ctx)
		var others sync.WaitGroup
		defer others.Wait()
		defer cancel()
		for range 4 * int(pool.Config().MaxConns) {
			others.Go(func() { _, _ = s.Append(stop, streamOf("locked"), store.Any, events(1)) })
		}
		others.Go(func() {
			for stop.Err() == nil {
				_, _ = other.Append(stop, streamOf("free"), store.Any, events(1))
			}
		})
		for range 200 {
			if _, err := s.Append(stop, streamOf("free"), store.Any, events(1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAppendThatWouldWaitForItsOwnTransactionIsRefused(t *testing.T) {
	s := openStore(t, pgtest.Pool(t))
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		appendTo(t, s.WithTx(tx), "held", 1)
		_, err := s.Append(ctx, streamOf("held"), store.Any, events(1))
		if err == nil || !strings.Contains(err.Error(), "WithTx") {
			t.Errorf("got error %v", err)
		}
		_, err = s.Append(ctx, streamOf("free"), store.NoStream, events(1))
		return err
	})
	appendTo(t, s, "held", 1)
}

func TestALockTimeoutIsNoConflict(t *testing.T) {
	config := pgtest.Pool(t).Config()
	config.ConnConfig.RuntimeParams["lock_timeout"] = "50ms"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	appendTo(t, s, "a", 1)
	index := begin(t, pool)
	execTx(t, index, "LOCK TABLE event_store IN SHARE MODE")
	_, err = s.Append(t.Context(), streamOf("a"), store.At(1), events(1))
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrOutcomeUnknown) || !s.IsTransient(err) {
		t.Errorf("got error %v", err)
	}
	rollback(t, index)
	appendTo(t, s, "a", 1)
}

// A schema whose name the server cuts has one set of locks, under both names.
func TestOneSchemaUnderTwoNames(t *testing.T) {
	pool := pgtest.Pool(t)
	name := strings.Repeat("tenant_", 10)
	cut := name[:63]
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{Schema: name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { execAll(t, pool, "DROP SCHEMA "+cut+" CASCADE") })
	var stores []*postgres.Store
	for _, schema := range []string{name, cut} {
		s, err := postgres.Open(t.Context(), pool, postgres.Config{Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
	}
	tx := begin(t, pool)
	appendTo(t, stores[0].WithTx(tx), "late", 1)
	appendTo(t, stores[1], "soon", 1)
	mustLog(t, stores[1])
	commit(t, tx)
	mustLog(t, stores[1], "late", "soon")
}

// Schemas whose names have one FNV-1a hash of 32 bits once shared their locks.
func TestSchemasOfOneDatabaseDoNotHoldEachOtherUp(t *testing.T) {
	pool := pgtest.Pool(t)
	var stores []*postgres.Store
	for _, schema := range []string{"costarring", "liquid"} {
		config := postgres.Config{Schema: schema}
		t.Cleanup(func() { execAll(t, pool, "DROP SCHEMA "+schema+" CASCADE") })
		if err := postgres.Migrate(t.Context(), pool, config); err != nil {
			t.Fatal(err)
		}
		s, err := postgres.Open(t.Context(), pool, config)
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
	}
	hole := begin(t, pool)
	appendTo(t, stores[1].WithTx(hole), "rolled back", 1)
	rollback(t, hole)
	open := begin(t, pool)
	appendTo(t, stores[0].WithTx(open), "late", 1)
	appendTo(t, stores[1], "soon", 1)
	mustLog(t, stores[1], "soon")
}
