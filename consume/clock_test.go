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
	"github.com/jackc/pgx/v5/pgxpool"
)

// skewed returns a pool whose server seems to have another clock: functions of the
// test's schema stand before those of PostgreSQL.
func skewed(t *testing.T, by string) *pgxpool.Pool {
	t.Helper()
	plain := pgtest.Pool(t)
	for _, clock := range []string{"clock_timestamp", "statement_timestamp", "now"} {
		_, err := plain.Exec(t.Context(), fmt.Sprintf(`CREATE FUNCTION %s() RETURNS timestamptz LANGUAGE sql VOLATILE AS
			'SELECT pg_catalog.%[1]s() + interval ''%[2]s'''`, clock, by))
		if err != nil {
			t.Fatal(err)
		}
	}
	config := plain.Config().Copy()
	params := config.ConnConfig.RuntimeParams
	params["search_path"] += ", pg_catalog"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	var days float64
	if err := pool.QueryRow(t.Context(), "SELECT abs(extract(epoch FROM clock_timestamp() - pg_catalog.clock_timestamp())) / 86400").Scan(&days); err != nil || days < 364 {
		t.Fatalf("the clock is off by %v days, error %v", days, err)
	}
	return pool
}

// A database whose clock is a year off takes and passes leases, tries parked streams
// again, and lets members take over from each other, as any other.
func TestADatabaseWhoseClockIsAYearOff(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, by := range []string{"1 year", "-1 year"} {
		pool := skewed(t, by)
		r := onPool(t, pool)
		leases := r.Store.(*postgres.Store)
		hold := func(holder string, ttl time.Duration, want bool) {
			t.Helper()
			if held, err := leases.Acquire(t.Context(), "relay", holder, ttl); held != want || err != nil {
				t.Errorf("%s: the lease is held by %s: %v, error %v", by, holder, held, err)
			}
		}
		hold("a", time.Hour, true)
		hold("b", time.Hour, false)
		hold("a", time.Microsecond, true)
		hold("b", time.Hour, true)

		var failures atomic.Int64
		p := program{before: func(_ context.Context, _ any, m eventus.Message[bumpEvent]) error {
			if m.Stream.ID == "bad" && failures.Add(1) <= 2 {
				return errors.New("not now")
			}
			return nil
		}}
		cfg := quick()
		cfg.Segments = 2
		first := start(t, r.follower("view", r, cfg, p))
		for i := range 10 {
			add(t, r, fmt.Sprint(i), 2)
		}
		add(t, r, "bad", 2)
		awaitExact(t, r, "view", r)
		second := start(t, r.follower("view", r, cfg, p))
		for i := range 10 {
			add(t, r, fmt.Sprint(i), 1)
		}
		first()
		for i := range 10 {
			add(t, r, fmt.Sprint(i), 1)
		}
		awaitExact(t, r, "view", r)
		state, err := r.follower("view", r, cfg, p).State(t.Context())
		if err != nil || state.Status != "running" || state.Lag != 0 || len(state.Parked) > 0 {
			t.Errorf("%s: state %+v, error %v", by, state, err)
		}
		second()
		for _, m := range mustReadAll(t, r) {
			if age := time.Since(m.Time); age < 0 || age > time.Hour {
				t.Errorf("%s: an event has the time %v, which is not its writer's", by, m.Time)
			}
		}
	}
}

func mustReadAll(t *testing.T, log store.Log) []store.Message {
	t.Helper()
	page, err := log.ReadAll(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page
}
