package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/storetest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestContract(t *testing.T) { storetest.Run(t, opener(t, pgtest.Pool)) }

func BenchmarkContract(b *testing.B) { storetest.Bench(b, opener(b, pgtest.Pool)) }

// opener returns a function that opens an empty store on a pool. To make one takes
// longer than most clauses of the contract, so that stores of clauses that have
// ended are emptied and given to others.
func opener(parent testing.TB, make func(testing.TB) *pgxpool.Pool) func(testing.TB) storetest.Backend[pgx.Tx] {
	var mu sync.Mutex
	var free []*pgxpool.Pool
	take := func() *pgxpool.Pool {
		mu.Lock()
		defer mu.Unlock()
		n := len(free)
		if n == 0 {
			return nil
		}
		pool := free[n-1]
		free = free[:n-1]
		return pool
	}
	return func(t testing.TB) storetest.Backend[pgx.Tx] {
		pool := take()
		if pool == nil {
			pool = make(parent)
		}
		t.Cleanup(func() {
			if n := pool.Stat().AcquiredConns(); n > 0 {
				t.Errorf("the clause ends with %d connections of its pool not released", n)
				return
			}
			empty(t, pool)
			mu.Lock()
			defer mu.Unlock()
			free = append(free, pool)
		})
		return openPool(t, pool)
	}
}

// empty takes a store back to where Migrate has left it. TRUNCATE takes five
// times as long on tables that have little.
func empty(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	execAll(t, pool, `
		SET LOCAL session_replication_role = replica;
		DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT quote_ident(tablename) FROM pg_tables
				WHERE schemaname = current_schema() AND tablename NOT IN ('eventus_migrations', 'history') LOOP
				EXECUTE 'DELETE FROM ' || name;
			END LOOP;
			FOR name IN SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = current_schema() LOOP
				EXECUTE 'ALTER SEQUENCE ' || name || ' RESTART';
			END LOOP;
		END $$;
		UPDATE history SET id = gen_random_uuid()`)
}

// openPool opens the store of a pool's schema, beside a table of the user's own.
func openPool(t testing.TB, pool *pgxpool.Pool) storetest.Backend[pgx.Tx] {
	s := openStore(t, pool)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE IF NOT EXISTS product_views (key text PRIMARY KEY, value text NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	return storetest.Backend[pgx.Tx]{
		Store: s,
		Put: func(ctx context.Context, tx pgx.Tx, key, value string) error {
			_, err := tx.Exec(ctx, `INSERT INTO product_views (key, value) VALUES ($1, $2)
				ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
			return err
		},
		Get: func(ctx context.Context, key string) (value string, ok bool, err error) {
			err = pool.QueryRow(ctx, `SELECT value FROM product_views WHERE key = $1`, key).Scan(&value)
			if errors.Is(err, pgx.ErrNoRows) {
				return "", false, nil
			}
			return value, err == nil, err
		},
		Rewind: func(t testing.TB, after int64) { rewind(t, pool, after) },
		Damage: func(t testing.TB, position int64) {
			damage(t, pool, "data = set_byte(data, 0, get_byte(data, 0) # 1)", position)
		},
		Reopen: func(t testing.TB) storetest.Backend[pgx.Tx] {
			again, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(again.Close)
			return openPool(t, again)
		},
	}
}

// rewind loses all events after a position, and nothing else but the versions of
// streams that a log in parts keeps.
func rewind(t testing.TB, pool *pgxpool.Pool, after int64) {
	t.Helper()
	execAll(t, pool, fmt.Sprintf(`
		ALTER TABLE event_store DISABLE TRIGGER event_store_append_only;
		DELETE FROM outbox WHERE position > %d;
		DELETE FROM event_store WHERE position > %[1]d;
		SELECT setval(pg_get_serial_sequence('event_store', 'position'), greatest(%[1]d, 1), %[1]d > 0);
		ALTER TABLE event_store ENABLE TRIGGER event_store_append_only;
		DO $$ BEGIN IF to_regclass('stream_versions') IS NOT NULL THEN
			TRUNCATE stream_versions;
			INSERT INTO stream_versions SELECT category, stream_id, max(version) FROM event_store GROUP BY category, stream_id;
		END IF; END $$`, after))
}

// damage changes the row of an event behind the back of the store.
func damage(t testing.TB, pool *pgxpool.Pool, set string, position int64) {
	t.Helper()
	execAll(t, pool, fmt.Sprintf(`
		ALTER TABLE event_store DISABLE TRIGGER event_store_append_only;
		UPDATE event_store SET %s WHERE position = %d;
		ALTER TABLE event_store ENABLE TRIGGER event_store_append_only`, set, position))
}

// execAll runs statements in one transaction.
func execAll(t testing.TB, pool *pgxpool.Pool, statements string) {
	t.Helper()
	if _, err := pool.Exec(context.WithoutCancel(t.Context()), statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

func openStore(t testing.TB, pool *pgxpool.Pool) *postgres.Store {
	t.Helper()
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var stream = store.Stream{Category: "product", ID: "p-1"}

func streamOf(id string) store.Stream { return store.Stream{Category: "product", ID: id} }

var made atomic.Int64 // events, for their ids

// eventID returns the id of the event of stream at a version.
func eventID(t testing.TB, r store.Reader, version int64) string {
	t.Helper()
	page, err := r.Read(t.Context(), stream, version-1, 1)
	if err != nil || len(page) != 1 {
		t.Fatalf("read version %d: %d messages, error %v", version, len(page), err)
	}
	return page[0].ID
}

func events(n int) []store.Event {
	all := make([]store.Event, n)
	for i := range all {
		all[i] = store.Event{ID: strconv.FormatInt(made.Add(1), 10), Type: "t", ContentType: "text/plain", Data: []byte("x"), Time: time.Unix(1, 0)}
	}
	return all
}
