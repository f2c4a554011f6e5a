package consume_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
)

// The environment of a process that runs a receiver.
const (
	childNATS     = "EVENTUS_RECEIVER_NATS"
	childPostgres = "EVENTUS_RECEIVER_POSTGRES"
	childSQLite   = "EVENTUS_RECEIVER_SQLITE"
)

var processConfig = jetstream.Config{Stream: "process", Prefix: "process", AckWait: 300 * time.Millisecond}

// TestReceiverProcess is the process that the tests below start and kill. An
// event of stream "bomb" ends it.
func TestReceiverProcess(t *testing.T) {
	switch {
	case os.Getenv(childPostgres) != "":
		pool, err := pgxpool.New(t.Context(), os.Getenv(childPostgres))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		runProcess(t, postgresDatabase(t, pool))
	case os.Getenv(childSQLite) != "":
		runProcess(t, sqliteDatabase(t, os.Getenv(childSQLite)))
	default:
		t.Skip("it is started by other tests")
	}
}

func runProcess[Tx any](t *testing.T, db database[Tx]) {
	nc, err := nats.Connect(os.Getenv(childNATS), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b, err := jetstream.New(t.Context(), nc, processConfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := processReceiver(db, b).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func processReceiver[Tx any](db database[Tx], b *jetstream.Broker) *consume.Receiver[Tx, ticked] {
	handle := func(ctx context.Context, tx Tx, m eventus.Message[ticked]) error {
		if m.Stream.ID == "bomb" {
			os.Exit(exitCode)
		}
		return db.add(ctx, tx, m.Stream.ID, m.Version)
	}
	return consume.Receive(consume.Idempotent("view", db.inbox, handle, consume.Retry{BaseDelay: time.Millisecond}), ticks, b,
		consume.ReceiveConfig{BatchSize: 5, TransactionTimeout: 2 * time.Second, HeartbeatInterval: 100 * time.Millisecond, MaxPollInterval: 20 * time.Millisecond, Logger: logger()})
}

// startReceiverProcess starts a receiver in a process of its own.
func startReceiverProcess(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], "-test.run", "^TestReceiverProcess$"), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// processBroker starts a server that processes can reach, and connects to it.
func processBroker(t *testing.T) (b *jetstream.Broker, env string) {
	t.Helper()
	server := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if b, err = jetstream.New(t.Context(), nc, processConfig); err != nil {
		t.Fatal(err)
	}
	return b, childNATS + "=" + server.URL()
}

func eachProcessDatabase(t *testing.T, onSQLite func(t *testing.T, db database[*sql.Tx], env string), onPostgres func(t *testing.T, db database[pgx.Tx], env string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "inbox.db")
		onSQLite(t, sqliteDatabase(t, path), childSQLite+"="+path)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		onPostgres(t, postgresDatabase(t, pool), childPostgres+"="+pool.Config().ConnString())
	})
}

func TestAMessageThatEndsTheProcessIsParkedByTheFifthRestart(t *testing.T) {
	t.Parallel()
	eachProcessDatabase(t, endsProcess[*sql.Tx], endsProcess[pgx.Tx])
}

func endsProcess[Tx any](t *testing.T, db database[Tx], env string) {
	b, natsEnv := processBroker(t)
	shop := newShop("shop")
	for range 3 {
		publish(t, b, shop.next("a"), shop.next("bomb"), shop.next("b"))
	}
	crashes := 0
	for {
		child := startReceiverProcess(t, env, natsEnv)
		parked := false
		for alive := true; alive && !parked; {
			select {
			case <-child.ended:
				if code := child.exit(); code != exitCode {
					t.Fatalf("the process ended by itself, with code %d", code)
				}
				alive = false
				crashes++
			case <-time.After(20 * time.Millisecond):
				queues, err := db.inbox.ListQueues(t.Context(), "view", store.Stream{}, 10)
				if err != nil {
					t.Fatal(err)
				}
				parked = len(queues) == 1 && queues[0].Reason == store.Poison
			}
		}
		if parked {
			break
		}
		if crashes > 5 {
			t.Fatalf("%d processes have ended, and the message is not parked", crashes)
		}
	}
	// The last one lives, and handles what the others need.
	publish(t, b, shop.next("a"), shop.next("bomb"), shop.next("b"))
	mustBeExact(t, db, map[string]int64{"a": 4, "b": 4})
	t.Logf("%d processes ended", crashes)
}

func TestKilledReceiversAreExact(t *testing.T) {
	t.Parallel()
	eachProcessDatabase(t, killed[*sql.Tx], killed[pgx.Tx])
}

func killed[Tx any](t *testing.T, db database[Tx], env string) {
	b, natsEnv := processBroker(t)
	shop := newShop("shop")
	kills := 5
	if testing.Short() {
		kills = 1
	}
	for range kills {
		one, two := startReceiverProcess(t, env, natsEnv), startReceiverProcess(t, env, natsEnv)
		for range 30 {
			for range 5 {
				publish(t, b, shop.next(fmt.Sprint(rand.IntN(8))))
			}
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
		one.kill()
		two.kill()
	}
	startReceiverProcess(t, env, natsEnv)
	if err := redriven(t, db, b, shop.versions); err != nil {
		t.Fatal(err)
	}
	mustBeExact(t, db, shop.versions)
}

// redriven redrives until all is handled: a message whose third try was killed
// too is taken for one that ends the process.
func redriven[Tx any](t *testing.T, db database[Tx], b *jetstream.Broker, want map[string]int64) error {
	operator := processReceiver(db, b)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		effects, err := db.effects()
		if err != nil {
			return err
		}
		total, wanted := 0, int64(0)
		for id, n := range want {
			total, wanted = total+len(effects[id]), wanted+n
		}
		if int64(total) >= wanted {
			return nil
		}
		queues, err := operator.Parked(t.Context(), store.Stream{}, 100)
		if err != nil {
			return err
		}
		for _, q := range queues {
			if q.Reason == store.Poison {
				if err := operator.Redrive(t.Context(), q.Stream); err != nil {
					return err
				}
			}
		}
		if time.Now().After(end) {
			var text bytes.Buffer
			fmt.Fprintf(&text, "%d effects of %d after two minutes; parked:", total, wanted)
			for _, q := range queues {
				fmt.Fprintf(&text, "\n%+v", q)
			}
			return errors.New(text.String())
		}
	}
}
