package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// An append with the same expected version and ids as one that is stored is that
// one.
func TestARepeatedAppend(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	named := func(ids ...string) []store.Event {
		list := events(len(ids))
		for i := range list {
			list[i].ID = ids[i]
		}
		return list
	}
	one, three := named("1"), named("2", "3", "4")
	mustAppend := func(s store.Store, expected store.Expected, events []store.Event, want int64) {
		t.Helper()
		version, err := s.Append(t.Context(), stream, expected, events)
		if err != nil || version != want {
			t.Fatalf("version %d, error %v, want version %d", version, err, want)
		}
	}
	mustAppend(s, store.At(0), one, 1)
	mustAppend(s, store.At(0), one, 1)
	mustAppend(s, store.At(1), three, 4)
	mustAppend(s, store.At(1), three, 4)
	mustAppend(s, store.At(0), one, 1)
	inTx(t, s, func(_ context.Context, tx pgx.Tx) error {
		mustAppend(s.WithTx(tx), store.At(1), three, 4)
		mustAppend(s.WithTx(tx), store.At(4), named("5"), 5)
		mustAppend(s.WithTx(tx), store.At(4), named("5"), 5)
		return nil
	})
	for _, c := range []struct {
		expected store.Expected
		ids      []string
	}{{store.At(0), []string{"2"}}, {store.At(1), []string{"2", "x", "y"}}, {store.At(1), []string{"x", "3", "4"}}, {store.At(3), []string{"4", "5", "6"}}} {
		_, err := s.Append(t.Context(), stream, c.expected, named(c.ids...))
		mustConflict(t, err, c.expected, 5)
	}
	mustLog(t, s, "p-1", "p-1", "p-1", "p-1", "p-1")
}

// A context that ends in the middle of an append does not leave the caller without
// an answer.
func TestAnAppendInItsStatementWaitsForTheOutcome(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	execAll(t, pool, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4242); RETURN NULL; END'`)
	execAll(t, pool, `CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON event_store DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	gate := begin(t, pool)
	execTx(t, gate, "SELECT pg_advisory_xact_lock(4242)")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, stream, store.NoStream, events(1))
		ended <- err
	}()
	awaitWaiting(t, pool, 1)
	cancel()
	rollback(t, gate)
	if err := <-ended; err != nil {
		t.Errorf("got error %v", err)
	}
	mustLog(t, s, "p-1")
}

// Two connections that have died without a word do not stop the appends of others.
func TestDeadConnectionsHoldUpNobody(t *testing.T) {
	t.Parallel() // it mostly waits
	inner := pgtest.Pool(t)
	config := inner.Config()
	config.MaxConns = 8
	var freeze atomic.Int64
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &dying{Conn: conn, freeze: &freeze}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	freeze.Store(2)
	ctx, cancel := context.WithCancel(t.Context())
	var dead sync.WaitGroup
	for i := range 2 {
		dead.Go(func() {
			_, err := s.Append(ctx, streamOf(fmt.Sprint("dead ", i)), store.Any, events(1))
			if !errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("got error %v", err)
			}
		})
		for freeze.Load() > int64(1-i) {
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 3 {
		appendTo(t, s, fmt.Sprint("free ", i), 1)
	}
	cancel()
	dead.Wait()
}

// dying is a connection that drops what is written to it once it is its turn.
type dying struct {
	net.Conn
	freeze *atomic.Int64 // how many connections die at their next write of an append
	dead   atomic.Bool
}

func (c *dying) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "dead ") && c.freeze.Add(-1) >= 0 {
		c.dead.Store(true)
	}
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func TestPassingTroubleIsKnown(t *testing.T) {
	s := openStore(t, pgtest.Pool(t))
	t.Run("a server that takes connections and never answers", func(t *testing.T) {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		pool, err := pgxpool.New(t.Context(), "postgres://u@"+silent.Addr().String()+"/d?connect_timeout=1&sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if _, err = pool.Begin(t.Context()); err == nil || !s.IsTransient(err) {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("a standby, until it is promoted", func(t *testing.T) {
		primary := pgtest.Start(t, pgtest.Options{})
		config, err := pgxpool.ParseConfig(primary.URL())
		if err != nil {
			t.Fatal(err)
		}
		next := primary.Standby(t)
		standby, err := pgxpool.ParseConfig(next.URL())
		if err != nil {
			t.Fatal(err)
		}
		var failedOver atomic.Bool
		config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
			if failedOver.Load() {
				c.Host = standby.ConnConfig.Host
			}
			return nil
		}
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		s := openStore(t, pool)
		awaitReplay(t, pool, standby)
		failedOver.Store(true)
		pool.Reset()
		err = s.InTx(t.Context(), func(context.Context, pgx.Tx) error { return nil })
		if err == nil || !s.IsTransient(err) {
			t.Errorf("InTx: got error %v", err)
		}
		batch := events(1)
		_, err = s.Append(t.Context(), stream, store.NoStream, batch)
		mustRefuse(t, s, err)
		if err := next.Promote(); err != nil {
			t.Fatal(err)
		}
		if version, err := s.Append(t.Context(), stream, store.NoStream, batch); err != nil || version != 1 {
			t.Errorf("after the promotion: version %d, error %v", version, err)
		}
		mustLog(t, s, "p-1")
	})
	t.Run("an append that waits for too long", func(t *testing.T) {
		if err := fmt.Errorf("save: %w", &store.BusyError{Stream: stream, Waited: time.Minute}); !s.IsTransient(err) {
			t.Errorf("it is not: %v", err)
		}
	})
}

// awaitReplay waits until a standby has all that its primary has written.
func awaitReplay(t *testing.T, primary *pgxpool.Pool, standby *pgxpool.Config) {
	t.Helper()
	var lsn string
	if err := primary.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), standby.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for there := false; !there; {
		if err := conn.QueryRow(t.Context(), "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn).Scan(&there); err != nil {
			t.Fatal(err)
		}
	}
}
