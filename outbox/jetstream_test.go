package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/sqlite"
)

// server is a NATS server on an address that stays the same.
type server struct {
	*natsd.Server
	cfg natsd.Config
}

func serve(t testing.TB, config string) *server {
	t.Helper()
	s := &server{cfg: natsd.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0"}}
	if config != "" {
		s.cfg.File = filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(s.cfg.File, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start(t)
	s.cfg.Addr = strings.TrimPrefix(s.URL(), "nats://")
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	var err error
	if s.Server, err = natsd.Start(s.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
}

func (s *server) dial(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("nats://"+s.cfg.Addr, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func (s *server) broker(t testing.TB) *jetstream.Broker {
	t.Helper()
	b, err := jetstream.New(t.Context(), s.dial(t), jetstream.Config{Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *server) stream(t testing.TB) raw.Stream {
	t.Helper()
	js, err := raw.New(s.dial(t))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// await reads the topic from the first message on, in a subscription of its own,
// until each stream has come to its version, and fails when one comes out of
// order.
func (s *server) await(t *testing.T, want map[string]int64) {
	t.Helper()
	b := s.broker(t)
	for { // until the server is back
		sub, err := b.Subscribe(t.Context(), fmt.Sprint("reader-", time.Now().UnixNano()), "tick", broker.FromFirst)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		defer sub.Close()
		awaitVersions(t, sub, want)
		return
	}
}

func awaitVersions(t *testing.T, sub broker.Subscription, want map[string]int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(map[string]int64)
	last := make(map[string]string)
	for !maps.Equal(seen, want) {
		got, err := sub.Fetch(ctx, 100)
		if err != nil {
			t.Fatalf("at %v of %v: %v", seen, want, err)
		}
		for _, d := range got {
			e, err := cloudevents.Decode(d.Message())
			if err != nil {
				t.Fatal(err)
			}
			switch id := e.Stream.ID; {
			case e.Version > seen[id]+1:
				t.Fatalf("%s version %d arrived after version %d", e.Stream, e.Version, seen[id])
			case e.Version == seen[id]+1:
				if e.Previous != last[id] {
					t.Fatalf("%s version %d follows %q, want %q", e.Stream, e.Version, e.Previous, last[id])
				}
				seen[id], last[id] = e.Version, e.ID
			}
			if err := d.Ack(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTheRelayHealsJetStream(t *testing.T) {
	for name, lose := range map[string]func(*testing.T, *server){
		"the stream is deleted": func(t *testing.T, s *server) {
			js, err := raw.New(s.dial(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteStream(t.Context(), "EVENTUS"); err != nil {
				t.Fatal(err)
			}
		},
		"the stream is purged": func(t *testing.T, s *server) {
			if err := s.stream(t).Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"the server loses its disk": func(t *testing.T, s *server) {
			s.Shutdown()
			s.cfg.Dir = t.TempDir()
			s.start(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv, s := serve(t, ""), memory.New()
			want := fill(t, s, 50)
			defer run(t, outbox.New(s, srv.broker(t), outbox.Config{BatchSize: 7, AuditInterval: 50 * time.Millisecond}))()
			srv.await(t, want)
			lose(t, srv)
			srv.await(t, want)
			add(t, s, "0")
			want["0"]++
			srv.await(t, want)
		})
	}
}

// A server that comes back on an older copy of its disk has lost the end.
func TestTheRelayHealsAServerOnAnOlderDisk(t *testing.T) {
	srv, s := serve(t, ""), memory.New()
	want := fill(t, s, 30)
	relay := outbox.New(s, srv.broker(t), outbox.Config{BatchSize: 7})
	defer run(t, relay)()
	srv.await(t, want)
	srv.Shutdown()
	old := t.TempDir()
	if err := os.CopyFS(filepath.Join(old, "copy"), os.DirFS(srv.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	srv.start(t)
	for id, n := range fill(t, s, 20) {
		want[id] += n
	}
	srv.await(t, want)
	srv.Shutdown()
	srv.cfg.Dir = filepath.Join(old, "copy")
	srv.start(t)
	srv.await(t, want)
	if behind := relay.State().Audit.Behind; behind == 0 {
		t.Error("nothing was published again")
	}
}

func TestAProgramPublishesOnceItsServerRuns(t *testing.T) {
	srv, s := serve(t, ""), memory.New()
	srv.Shutdown()
	want := fill(t, s, 10)
	relay := outbox.New(s, srv.broker(t), outbox.Config{Categories: []string{"tick"}})
	defer run(t, relay)()
	for relay.State().Err == nil {
		time.Sleep(time.Millisecond) // until it has tried
	}
	srv.start(t)
	srv.await(t, want)
}

// Two stores on one server, both with defaults.
func TestASecondStoreOnOneServerIsRefusedInOneLine(t *testing.T) {
	srv, first, second := serve(t, ""), memory.New(), memory.New()
	want := fill(t, first, 3)
	defer run(t, outbox.New(first, srv.broker(t), outbox.Config{}))()
	srv.await(t, want)
	fill(t, second, 3)
	err := outbox.New(second, srv.broker(t), outbox.Config{}).Run(t.Context())
	if !errors.Is(err, broker.ErrOwned) {
		t.Fatalf("got %v, want %v", err, broker.ErrOwned)
	}
	for _, s := range []*memory.Store{first, second} {
		if history, _ := s.History(t.Context()); !strings.Contains(err.Error(), history) {
			t.Errorf("%s is not in %q", history, err)
		}
	}
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "Config.Prefix") {
		t.Errorf("got %q, want one line with the cure", err)
	}
	if info, err := srv.stream(t).Info(t.Context()); err != nil || info.State.Msgs != 4 { // the claim is one
		t.Errorf("%d messages, %v", info.State.Msgs, err)
	}
}

func TestAnEventTooLargeForTheServerStopsItsStreamAlone(t *testing.T) {
	srv, s := serve(t, "max_payload: 64KB\njetstream {}\n"), memory.New()
	huge := store.Event{ID: "huge", Type: "ticked", ContentType: "text/plain", Data: make([]byte, 100<<10), Time: time.Now()}
	if _, err := s.Append(t.Context(), store.Stream{Category: "tick", ID: "big"}, store.Any, []store.Event{huge}); err != nil {
		t.Fatal(err)
	}
	add(t, s, "big")
	want := fill(t, s, 50)
	defer run(t, outbox.New(s, srv.broker(t), outbox.Config{BatchSize: 7}))()
	srv.await(t, want)
	if got := refused(t, s); len(got) != 1 || got[0].ID != "huge" || !strings.Contains(got[0].Error, "max_payload") {
		t.Errorf("refused: %+v", got)
	}
	for left(t, s) > 0 {
		time.Sleep(time.Millisecond) // until they are marked
	}
}

// The server drops the second of two events with one ID, and says so.
func TestTwoEventsOfOneIDAreBothPublished(t *testing.T) {
	srv, s := serve(t, ""), memory.New()
	e := store.Event{ID: "twin", Type: "ticked", ContentType: "text/plain", Data: []byte("first"), Time: time.Now()}
	f := e
	f.Data = []byte("second")
	if _, err := s.Append(t.Context(), store.Stream{Category: "tick", ID: "a"}, store.Any, []store.Event{e, f}); err != nil {
		t.Fatal(err)
	}
	defer run(t, outbox.New(s, srv.broker(t), outbox.Config{}))()
	srv.await(t, map[string]int64{"a": 2})
}

// An older copy of the database is put back: what the broker has beyond it is
// told, and what is appended then is published.
func TestARestoredStoreIsToldThatTheBrokerIsAhead(t *testing.T) {
	srv, dir := serve(t, ""), t.TempDir()
	open := func(name string) (*sqlite.Store, func()) {
		db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return s, func() { db.Close() }
	}
	tick := func(s *sqlite.Store, id string) {
		e := store.Event{ID: fmt.Sprint(id, time.Now().UnixNano()), Type: "ticked", ContentType: "application/json", Data: []byte("{}"), Time: time.Now()}
		if _, err := s.Append(t.Context(), store.Stream{Category: "tick", ID: id}, store.Any, []store.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	s, closeDB := open("store.db")
	stop := run(t, outbox.New(s, srv.broker(t), outbox.Config{}))
	tick(s, "a")
	srv.await(t, map[string]int64{"a": 1})
	stop()
	closeDB()
	backup, err := os.ReadFile(filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, closeDB = open("store.db")
	stop = run(t, outbox.New(s, srv.broker(t), outbox.Config{}))
	tick(s, "a")
	tick(s, "a")
	srv.await(t, map[string]int64{"a": 3})
	stop()
	closeDB()

	if err := os.WriteFile(filepath.Join(dir, "restored.db"), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	s, closeDB = open("restored.db")
	defer closeDB()
	relay := outbox.New(s, srv.broker(t), outbox.Config{})
	defer run(t, relay)()
	tick(s, "b")
	srv.await(t, map[string]int64{"a": 3, "b": 1})
	if a := relay.State().Audit; len(a.Ahead) != 1 || a.Behind != 0 {
		t.Errorf("the audit says %+v", a)
	}
}
