package consume_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"
)

// database is an inbox with a read model that keeps every effect.
type database[Tx any] struct {
	inbox store.Inbox[Tx]
	// add stores an effect.
	add func(ctx context.Context, tx Tx, id string, version int64) error
	// effects returns the versions of each stream in the order of their effects.
	effects func() (map[string][]int64, error)
}

const effectsTable = `CREATE TABLE IF NOT EXISTS effects (n %s, id text NOT NULL, version bigint NOT NULL)`

func sqliteDatabase(t testing.TB, path string) database[*sql.Tx] {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := sqlite.Open(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(effectsTable, "INTEGER PRIMARY KEY AUTOINCREMENT")); err != nil {
		t.Fatal(err)
	}
	return database[*sql.Tx]{s,
		func(ctx context.Context, tx *sql.Tx, id string, version int64) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO effects (id, version) VALUES (?, ?)`, id, version)
			return err
		},
		func() (map[string][]int64, error) {
			rows, err := db.Query(`SELECT id, version FROM effects ORDER BY n`)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			effects := make(map[string][]int64)
			for rows.Next() {
				var id string
				var version int64
				if err := rows.Scan(&id, &version); err != nil {
					return nil, err
				}
				effects[id] = append(effects[id], version)
			}
			return effects, rows.Err()
		},
	}
}

func postgresDatabase(t testing.TB, pool *pgxpool.Pool) database[pgx.Tx] {
	t.Helper()
	ctx := context.Background()
	if err := postgres.Migrate(ctx, pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(ctx, pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, fmt.Sprintf(effectsTable, "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")); err != nil {
		t.Fatal(err)
	}
	return database[pgx.Tx]{s,
		func(ctx context.Context, tx pgx.Tx, id string, version int64) error {
			_, err := tx.Exec(ctx, `INSERT INTO effects (id, version) VALUES ($1, $2)`, id, version)
			return err
		},
		func() (map[string][]int64, error) {
			rows, err := pool.Query(ctx, `SELECT id, version FROM effects ORDER BY n`)
			if err != nil {
				return nil, err
			}
			effects := make(map[string][]int64)
			var id string
			var version int64
			_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error { effects[id] = append(effects[id], version); return nil })
			return effects, err
		},
	}
}

func memoryDatabase() database[*memory.Tx] {
	var mu sync.Mutex
	effects := make(map[string][]int64)
	return database[*memory.Tx]{memory.New(),
		func(_ context.Context, tx *memory.Tx, id string, version int64) error {
			tx.OnCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				effects[id] = append(effects[id], version)
			})
			return nil
		},
		func() (map[string][]int64, error) {
			mu.Lock()
			defer mu.Unlock()
			copied := make(map[string][]int64)
			for id, versions := range effects {
				copied[id] = slices.Clone(versions)
			}
			return copied, nil
		},
	}
}

// mustBeExact waits until each stream has had all its versions, and fails unless
// each was there once and in order.
func mustBeExact[Tx any](t testing.TB, db database[Tx], want map[string]int64) {
	t.Helper()
	missing := ""
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		effects, err := db.effects()
		if err != nil {
			t.Fatal(err)
		}
		missing = ""
		for id, last := range want {
			for i, version := range effects[id] {
				if version != int64(i)+1 {
					t.Fatalf("%s: effect %d is of version %d: %v", id, i+1, version, effects[id])
				}
			}
			if n := int64(len(effects[id])); n > last {
				t.Fatalf("%s: %d effects of %d", id, n, last)
			} else if n < last {
				missing += fmt.Sprintf("%s has %d of %d; ", id, n, last)
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after a minute: %s", missing)
		}
	}
}

// start runs a receiver until stop or the end of the test.
func startReceiver(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Errorf("the receiver ended: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

type pubsub interface {
	broker.Publisher
	broker.Subscriber
}

func eachBroker(t *testing.T, f func(t *testing.T, b pubsub)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t, brokermemory.New(brokermemory.Config{AckWait: time.Second}))
	})
	t.Run("jetstream", func(t *testing.T) {
		t.Parallel()
		// The duplicate window would swallow the repeats of this test.
		b, err := jetstream.New(t.Context(), natstest.Connect(t), jetstream.Config{
			Stream: "receive", Prefix: "receive", MaxAckPending: 50, AckWait: time.Second, DuplicateWindow: 100 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		f(t, b)
	})
}

func TestReceiversAreExactOnEveryDatabaseAndBroker(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		eachBroker(t, func(t *testing.T, b pubsub) { exact(t, memoryDatabase(), b) })
	})
	t.Run("sqlite", func(t *testing.T) {
		eachBroker(t, func(t *testing.T, b pubsub) {
			exact(t, sqliteDatabase(t, filepath.Join(t.TempDir(), "inbox.db")), b)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		eachBroker(t, func(t *testing.T, b pubsub) { exact(t, postgresDatabase(t, pgtest.Pool(t)), b) })
	})
}

// exact feeds members of a consumer, which come, fail and go, with duplicates,
// gaps that are filled later, forgeries and one stream that fails for long.
func exact[Tx any](t *testing.T, db database[Tx], b pubsub) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var mu sync.Mutex
	mended := false
	handle := func(ctx context.Context, tx Tx, m eventus.Message[ticked]) error {
		if err := db.add(ctx, tx, m.Stream.ID, m.Version); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case m.Stream.ID == "hot" && !mended:
			return consume.Permanent(fmt.Errorf("down"))
		case random.Float64() < 0.05:
			return consume.Transient(fmt.Errorf("not now"))
		}
		return nil
	}
	receiver := func() *consume.Receiver[Tx, ticked] {
		once := consume.Idempotent("view", db.inbox, handle, consume.Retry{BaseDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond})
		return consume.Receive(once, ticks, b, consume.ReceiveConfig{BatchSize: 10, MaxPollInterval: 20 * time.Millisecond, Source: "/shop", Logger: logger()})
	}
	shop, evil := newShop("shop"), newShop("evil")
	stop := startReceiver(t, receiver().Run)
	first := receiver()
	startReceiver(t, first.Run)
	var late []cloudevents.Event
	for round := range 6 {
		var events []cloudevents.Event
		for i := range 60 {
			id := fmt.Sprint(i % 3)
			if i%4 == 0 {
				id = "hot"
			}
			e := shop.next(id)
			if mu.Lock(); random.Float64() < 0.03 {
				late = append(late, e)
			} else if events = append(events, e); random.Float64() < 0.2 {
				events = append(events, e)
			}
			mu.Unlock()
		}
		publish(t, b, events...)
		invented := shop.event(fmt.Sprint("invented", round), 77)
		publish(t, b, evil.event("0", 1), evil.event("0", 30), invented)
		if round == 3 {
			stop()
			startReceiver(t, receiver().Run)
		}
	}
	publish(t, b, late...)
	quick := map[string]int64{"0": shop.versions["0"], "1": shop.versions["1"], "2": shop.versions["2"]}
	mustBeExact(t, db, quick)
	mu.Lock()
	mended = true
	mu.Unlock()
	for { // until nobody parks a message that failed before
		if _, err := first.RedriveAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		effects, err := db.effects()
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(effects["hot"])) == shop.versions["hot"] {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("the test is over")
		}
		time.Sleep(50 * time.Millisecond)
	}
	mustBeExact(t, db, shop.versions)
	effects, err := db.effects()
	if err != nil || len(effects) != 4 {
		t.Errorf("effects of %d streams, want 4: a forgery took effect; %v", len(effects), err)
	}
}

// A stream that fails does not fill the broker's window of unsettled messages.
func TestAHotFailingStreamLeavesTheWindowToOthers(t *testing.T) {
	for name, cause := range map[string]error{
		"poison": consume.Permanent(fmt.Errorf("cannot")), "passing trouble": consume.Transient(fmt.Errorf("down")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := jetstream.New(t.Context(), natstest.Connect(t), jetstream.Config{Stream: "hot", Prefix: "hot", MaxAckPending: 50})
			if err != nil {
				t.Fatal(err)
			}
			db := memoryDatabase()
			handle := func(ctx context.Context, tx *memory.Tx, m eventus.Message[ticked]) error {
				if m.Stream.ID == "hot" {
					return cause
				}
				return db.add(ctx, tx, m.Stream.ID, m.Version)
			}
			shop := newShop("shop")
			for range 500 {
				publish(t, b, shop.next("hot"))
			}
			for range 10 {
				publish(t, b, shop.next("other"))
			}
			startReceiver(t, consume.Receive(consume.Idempotent("view", db.inbox, handle, consume.Retry{}), ticks, b, consume.ReceiveConfig{Logger: discard()}).Run)
			mustBeExact(t, db, map[string]int64{"other": 10})
		})
	}
}

// What holds the view's table for a while, and statement_timeout, park nothing.
func TestStatementTimeoutsCountNoAttempts(t *testing.T) {
	pool := pgtest.Pool(t)
	config := pool.Config()
	config.ConnConfig.RuntimeParams["statement_timeout"] = "50ms"
	hurried, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer hurried.Close()
	db := postgresDatabase(t, pool)
	hasty := postgresDatabase(t, hurried)
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `LOCK TABLE effects IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	tries := 0
	handle := func(ctx context.Context, tx pgx.Tx, m eventus.Message[ticked]) error {
		mu.Lock()
		tries++
		mu.Unlock()
		return db.add(ctx, tx, m.Stream.ID, m.Version)
	}
	b := brokermemory.New(brokermemory.Config{})
	receiver := consume.Receive(consume.Idempotent("view", hasty.inbox, handle, consume.Retry{MaxAttempts: 3, BaseDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond}),
		ticks, b, consume.ReceiveConfig{MaxPollInterval: 10 * time.Millisecond, Logger: discard()})
	startReceiver(t, receiver.Run)
	publish(t, b, newShop("shop").event("a", 1))
	for done := false; !done; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		done = tries > 10
		mu.Unlock()
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustBeExact(t, db, map[string]int64{"a": 1})
}

// logger writes to standard error when V is set.
func logger() *slog.Logger {
	if os.Getenv("V") == "" {
		return discard()
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}
