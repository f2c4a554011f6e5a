package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/store"
	"github.com/nats-io/nats.go"
)

// freeAddr returns an address that two processes can be given.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestPricewatch(t *testing.T) {
	t.Run("beside productd on SQLite and its embedded NATS server", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		watch(t, "nats://"+addr, startProductd(t, "-data", t.TempDir(), "-nats-addr", addr))
	})
	t.Run("beside productd on PostgreSQL and a NATS server", func(t *testing.T) {
		t.Parallel()
		server := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
		watch(t, server.URL(), startProductd(t, "-postgres", pgtest.Pool(t).Config().ConnString(), "-nats", server.URL()))
	})
}

// watch changes prices while pricewatch is killed and strangers publish. In the
// end each change is in the read model and was printed, once and in order.
func watch(t *testing.T, url string, p *productd) {
	data := filepath.Join(t.TempDir(), "data")
	s, strangers := newShop(t, p), newStrangers(t, url)
	var processes []*process
	start := func() *process {
		processes = append(processes, startPricewatch(t, "-nats", url, "-data", data, "-history", p.history))
		return processes[len(processes)-1]
	}
	running := start()
	ids := []string{"lamp", "chair", "table", "desk"}
	for _, id := range ids {
		s.create(id, 1000)
	}
	kills := 5
	if testing.Short() {
		kills = 2
	}
	for range kills {
		for range 20 {
			id := ids[rand.IntN(len(ids))]
			s.reprice(id, 1+rand.Int64N(9999))
			next := int64(len(s.prices[id])) + 1
			strangers.publish(
				stranger{source: "another", history: p.history, id: id, version: next},
				stranger{source: "product", history: "another", id: id, version: next},
				stranger{source: "product", id: id, version: next},
				stranger{source: "product", history: "another", id: "invented", version: 1},
			)
		}
		if code := running.end(t, syscall.SIGKILL); code != -1 {
			t.Fatalf("it has ended before it was killed: exit code %d\n%s", code, &running.stderr)
		}
		s.reprice(ids[0], 1+rand.Int64N(9999)) // while no pricewatch runs
		running = start()
	}
	s.await(running, data)
	strangers.publish(stranger{source: "another", id: "lamp", version: 1})
	until(t, "strangers are told", running, func() bool {
		return running.stderr.count("level=WARN", "stranger", "source=another") > 0
	})
	if code := running.end(t, os.Interrupt); code != 0 {
		t.Errorf("exit code %d: %s", code, &running.stderr)
	}
	s.await(running, data)
	s.compareLines(processes)
	if code := p.end(t, os.Interrupt); code != 0 {
		t.Errorf("productd: exit code %d: %s", code, &p.stderr)
	}
}

// strangers publish to the subjects of the products.
type strangers struct {
	t      *testing.T
	broker *jetstream.Broker
}

func newStrangers(t *testing.T, url string) strangers {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := jetstream.New(t.Context(), conn, jetstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return strangers{t, b}
}

// stranger is a new price of 6.66 EUR that productd knows nothing of.
type stranger struct {
	source, history, id string
	version             int64
}

func (s strangers) publish(events ...stranger) {
	s.t.Helper()
	messages := make([]broker.Message, len(events))
	for i, e := range events {
		messages[i] = cloudevents.Encode(cloudevents.Event{
			Source: e.source, History: e.history, Previous: "forged",
			Message: store.Message{
				Event: store.Event{
					ID: fmt.Sprint("forged-", rand.Uint64()), Type: "product.repriced", ContentType: "application/json",
					Data: []byte(`{"price":{"amount":666,"currency":"EUR"}}`), Time: time.Now(),
				},
				Stream: products.Stream(e.id), Version: e.version, Position: 1,
			},
		})
		if e.version == 0 {
			delete(messages[i].Header, "ce-streamversion")
			delete(messages[i].Header, "ce-position")
			delete(messages[i].Header, "ce-previous")
		}
	}
	s.send(messages...)
}

func (s strangers) send(messages ...broker.Message) {
	s.t.Helper()
	if _, err := s.broker.Publish(s.t.Context(), messages); err != nil {
		s.t.Fatal(err)
	}
}

// Without -history, whoever may publish can pass for productd. What does not
// follow the event before takes no effect all the same.
func TestForgeriesChangeNothingAndAreTold(t *testing.T) {
	addr, data := freeAddr(t), t.TempDir()
	p := startProductd(t, "-data", t.TempDir(), "-nats-addr", addr)
	s, forger := newShop(t, p), newStrangers(t, "nats://"+addr)
	running := startPricewatch(t, "-nats", "nats://"+addr, "-data", data)
	s.create("lamp", 1000)
	s.reprice("lamp", 1100)
	s.await(running, data)
	forger.publish(
		stranger{source: "product", id: "lamp", version: 2},  // another event at a version that has been
		stranger{source: "product", id: "chair", version: 9}, // of a product that is not there
		stranger{source: "product", id: "lamp"},              // without a version
	)
	forger.send(broker.Message{ID: "rubbish", Topic: "product", Key: "lamp", Data: []byte("rubbish")})
	for _, texts := range [][]string{
		{"level=ERROR", "dead letter", "rubbish"},
		{"level=ERROR", "dead letter", "has no version"},
	} {
		until(t, strings.Join(texts, " "), running, func() bool { return running.stderr.count(texts...) > 0 })
	}
	if n := running.stderr.count("stream is parked", "reason=forked", "id=lamp"); n != 1 {
		t.Errorf("%d lines about the fork, want 1:\n%s", n, &running.stderr)
	}
	s.create("table", 500)
	s.reprice("table", 600)
	s.await(running, data)
	if code := running.end(t, os.Interrupt); code != 0 {
		t.Errorf("exit code %d: %s", code, &running.stderr)
	}
	s.compareLines([]*process{running})

	// A rebuild that takes the events of one history alone.
	s.reprice("lamp", 1200)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	running = startPricewatch(t, "-nats", "nats://"+addr, "-data", data, "-history", p.history)
	forger.publish(stranger{source: "product", id: "lamp", version: 4})
	until(t, "the stranger is told", running, func() bool { return running.stderr.count("level=WARN", "stranger") > 0 })
	s.await(running, data)
	if n := running.stderr.count("stream is parked"); n != 0 {
		t.Errorf("parked:\n%s", &running.stderr)
	}
}

func TestNATSIsWaitedFor(t *testing.T) {
	addr, data, dir := freeAddr(t), t.TempDir(), t.TempDir()
	running := startPricewatch(t, "-nats", "nats://"+addr, "-data", data)
	until(t, "it says that it waits", running, func() bool {
		return running.stderr.count("NATS cannot be reached", addr) == 1
	})
	server := natstest.Start(t, natsd.Config{Addr: addr, Dir: dir})
	p := startProductd(t, "-data", t.TempDir(), "-nats", server.URL())
	s := newShop(t, p)
	s.create("lamp", 1000)
	s.reprice("lamp", 1100)
	s.await(running, data)
	if n := running.stderr.count("level=WARN") + running.stderr.count("level=ERROR"); n != 1 {
		t.Errorf("%d lines about one absence at the start, want 1:\n%s", n, &running.stderr)
	}

	server.Shutdown()
	until(t, "it says that NATS is gone", running, func() bool { return running.stderr.count("receiver pauses", "connection") > 0 })
	s.reprice("lamp", 1200)
	natstest.Start(t, natsd.Config{Addr: addr, Dir: dir})
	s.await(running, data)
	if running.stderr.count("NATS is back") != 1 {
		t.Errorf("it does not say that NATS is back:\n%s", &running.stderr)
	}
	if code := running.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d: %s", code, &running.stderr)
	}
	s.compareLines([]*process{running})
}
