package consume_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// appendHot appends an event to a stream that no follower of these tests reads.
func appendHot(ctx context.Context, s store.Store, expected store.Expected) error {
	e, err := bumps.Encode(bumped{1})
	if err != nil {
		return err
	}
	e.ID, e.Time = uuid.NewString(), time.Now()
	_, err = s.Append(ctx, store.Stream{Category: "other", ID: "hot"}, expected, []store.Event{e})
	return err
}

// awaitEffects waits until a consumer has had so many effects.
func awaitEffects(t testing.TB, r rig, name string, want int) {
	t.Helper()
	await(t, fmt.Sprint(want, " effects"), func() bool {
		n, err := r.number(t.Context(), fmt.Sprintf("SELECT count(*) FROM effects WHERE consumer = '%s'", name))
		if err != nil {
			t.Fatal(err)
		}
		if n > int64(want) {
			t.Fatalf("%d effects, want %d", n, want)
		}
		return n == int64(want)
	})
}

// TestALostRaceInAHandlerIsNoPoison has a handler that appends in its
// transaction to a stream which others append to all the time.
func TestALostRaceInAHandlerIsNoPoison(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	r := onPool(t, pool)
	s := r.Store.(*postgres.Store)
	var lost atomic.Int64
	start(t, r.follower("view", r, quick(), program{after: func(ctx context.Context, tx any, _ eventus.Message[bumpEvent]) error {
		page, err := s.Read(ctx, store.Stream{Category: "other", ID: "hot"}, 0, 10_000)
		if err != nil {
			return err
		}
		err = appendHot(ctx, s.WithTx(tx.(pgx.Tx)), store.At(int64(len(page))))
		if errors.Is(err, store.ErrConflict) {
			lost.Add(1)
		}
		return err
	}}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_ = appendHot(ctx, s, store.Any)
		}
	}()
	for i := range 20 {
		add(t, r, fmt.Sprint("s", i), 1)
	}
	await(t, "ten races are lost", func() bool { return lost.Load() >= 10 })
	for id, p := range parkedOf(t, r, "view") {
		if p.Reason != store.Waiting || p.Attempts != 0 {
			t.Errorf("%s is parked: %+v", id, p)
		}
	}
	cancel()
	<-ended
	awaitEffects(t, r, "view", 20)
}

// TestAStatementTimeoutIsNoPoison locks the table of the read model while
// the follower's statements may take no longer than a moment.
func TestAStatementTimeoutIsNoPoison(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	patient := onPool(t, pool)
	cfg := pool.Config().Copy()
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "50ms"
	hurried, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hurried.Close)
	r := onPool(t, hurried)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE effects IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int64
	start(t, r.follower("view", r, quick(), program{before: func(context.Context, any, eventus.Message[bumpEvent]) error {
		tries.Add(1)
		return nil
	}}))
	for i := range 5 {
		add(t, patient, fmt.Sprint("s", i), 2)
	}
	await(t, "each stream has been tried often", func() bool { return tries.Load() > 60 })
	for id, p := range parkedOf(t, patient, "view") {
		if p.Reason != store.Waiting || p.Attempts != 0 {
			t.Errorf("%s is parked: %+v", id, p)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitExact(t, patient, "view", patient)
}

// TestHandlersThatUseUpThePool has as many followers as the pool has
// connections, and handlers that need one more.
func TestHandlersThatUseUpThePool(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	onPool(t, pool)
	cfg := pool.Config().Copy()
	cfg.MaxConns = 4
	small, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(small.Close)
	r := onPool(t, small)
	roomy := onPool(t, pool)
	p := program{after: func(ctx context.Context, _ any, _ eventus.Message[bumpEvent]) error {
		return appendHot(ctx, r, store.Any) // not through the transaction
	}}
	for i := range 5 {
		add(t, roomy, fmt.Sprint("s", i), 2)
	}
	for i := range 4 {
		config := quick()
		config.Retry.MaxAttempts = 1000
		start(t, r.follower(fmt.Sprint("view-", i), r, config, p))
	}
	for i := range 4 {
		awaitEffects(t, roomy, fmt.Sprint("view-", i), 10)
	}
}
