package power

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/fire/powercut"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

// TestJetStream cuts the power under a NATS server. Store, relay and receiver are on
// another machine, which has power. Whatever the server loses, the view of the
// receiver is right in the end. With sync_interval: always the server has what it
// confirmed, as long as a file's name is durable with the file; the other lines say
// how much it loses.
func TestJetStream(t *testing.T) {
	for _, v := range []struct {
		name   string
		always bool
		names  powercut.Names
	}{
		{"sync_interval: always, names by journal", true, powercut.ByJournal},
		{"sync_interval: always, names by folder", true, powercut.ByFolder},
		{"default, names by journal", false, powercut.ByJournal},
		{"default, names by folder", false, powercut.ByFolder},
	} {
		t.Run(v.name, func(t *testing.T) {
			if testing.Short() && v.names == powercut.ByFolder {
				t.Skip("without -short")
			}
			trial := newTrial(t, "JetStream, "+v.name)
			defer trial.done()
			missing := 0
			for trial.result.cuts < trial.cuts && !t.Failed() {
				s := &site{trial: trial, always: v.always, names: v.names, confirmed: make(map[string]bool)}
				s.open()
				for lap := 0; lap < cutsOfAFile && trial.result.cuts < trial.cuts && !t.Failed(); lap++ {
					s.cutJetStream()
				}
				s.settle()
				s.close()
				missing += s.missing
				trial.result.acknowledged += len(s.confirmed)
			}
			if !v.always || v.names == powercut.ByFolder {
				trial.result.remark = fmt.Sprintf("%d confirmed messages were missing in the broker after a cut; all are in the view", missing)
			}
		})
	}
}

// site is a service with its broker.
type site struct {
	*trial
	always bool
	names  powercut.Names
	addr   string
	lines  *lines

	store  *sqlite.Store
	db     *sql.DB
	broker *jetstream.Broker
	conn   *nats.Conn
	stop   func() // the relay and the receiver; nil while they are stopped

	mu        sync.Mutex
	confirmed map[string]bool // events, by the broker
	missing   int             // of them in the broker, over all cuts
}

type noted struct {
	ID string `json:"id"`
}

var notes = eventus.Foreign(category, eventus.Known("noted", func(e noted) noted { return e }))

// open makes an empty store and an empty disk for the broker.
func (s *site) open() {
	for _, dir := range []string{s.disk(), s.run()} {
		s.must(os.RemoveAll(dir))
		s.must(os.Mkdir(dir, 0o755))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.addr = listener.Addr().String()
	s.must(listener.Close())
	s.store, s.db, err = openSQLite(s.run())
	s.must(err)
	_, err = s.db.Exec("CREATE TABLE view (stream TEXT NOT NULL, version INTEGER NOT NULL, id TEXT NOT NULL)")
	s.must(err)
	s.lines = &lines{}
	s.conn, err = nats.Connect("nats://"+s.addr, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(20*time.Millisecond), nats.RetryOnFailedConnect(true))
	s.must(err)
	s.broker, err = jetstream.New(context.Background(), s.conn, jetstream.Config{Lazy: true, Partitions: 4, AckWait: time.Second, PublishTimeout: time.Second})
	s.must(err)
}

func (s *site) close() {
	if s.stop != nil {
		s.stop()
	}
	s.conn.Close()
	s.must(s.db.Close())
}

// start starts the relay and the receiver.
func (s *site) start() {
	logger := slog.New(slog.NewTextHandler(s.lines, nil))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	s.stop = func() {
		cancel()
		running.Wait()
		s.stop = nil
	}
	relay := outbox.New(s.store, &confirming{s.broker, s}, outbox.Config{LeaseDuration: time.Second, Logger: logger})
	once := consume.Idempotent("view", s.store, func(ctx context.Context, tx *sql.Tx, m eventus.Message[noted]) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO view VALUES (?, ?, ?)", m.Stream.ID, m.Version, m.Event.ID)
		return err
	}, consume.Retry{BaseDelay: 10 * time.Millisecond, MaxDelay: 100 * time.Millisecond})
	receiver := consume.Receive(once, notes, s.broker, consume.ReceiveConfig{
		MaxPollInterval: 50 * time.Millisecond, HeartbeatInterval: 200 * time.Millisecond, StopTimeout: time.Second, Logger: logger,
	})
	for _, run := range []func(context.Context) error{relay.Run, receiver.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				s.Errorf("%v", err)
			}
		})
	}
}

// serve starts the server, and returns when it is ready or has ended. Most of the
// times the relay and the receiver are started with it: those that have gone on
// pause for seconds after the failures.
func (s *site) serve() *child {
	env := []string{natsAddr + "=" + s.addr}
	if s.always {
		env = append(env, natsAlways+"=1")
	}
	if s.stop != nil && s.random.IntN(4) > 0 {
		s.stop()
	}
	ready := make(chan string, 1)
	server := s.startChild("nats", s.mount(), ready, env...)
	select {
	case <-ready:
	case <-server.ended:
	}
	if s.stop == nil {
		s.start()
	}
	return server
}

// confirming notes what the broker confirms.
type confirming struct {
	*jetstream.Broker
	site *site
}

func (c *confirming) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := c.Broker.Publish(ctx, messages)
	c.site.mu.Lock()
	defer c.site.mu.Unlock()
	for _, m := range messages[:n] {
		c.site.confirmed[m.Header["ce-id"]] = true
	}
	return n, err
}

func (s *site) cutJetStream() {
	fs := s.powerOn(powercut.Options{Names: s.names})
	cut := s.cutSoon(fs, 3000)
	server := s.serve()
	ctx, stop := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.store.Append(ctx, store.Stream{Category: category, ID: fmt.Sprint("w", w)}, store.Any, newEvents(3)); err != nil && ctx.Err() == nil {
					s.Errorf("%v", err)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	s.await(cut, server.ended)
	stop()
	writers.Wait()
	server.kill()
	s.must(fs.Close())
	s.compare()
}

// compare looks for what was confirmed in the files that are left.
func (s *site) compare() {
	found, err := s.events(s.copyDisk())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.lose("the server does not start, after %d confirmations: %v", len(s.confirmed), err)
		return
	}
	missing := 0
	for id := range s.confirmed {
		if !found[id] {
			missing++
		}
	}
	s.missing += missing
	if s.always && s.names == powercut.ByJournal && missing > 0 {
		s.lose("of %d confirmed messages %d are missing; %d are there", len(s.confirmed), missing, len(found))
	}
}

// events returns the ids of the events that a server on dir has.
func (s *site) events(dir string) (map[string]bool, error) {
	server, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer server.Shutdown()
	nc, err := server.Connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	info, err := js.StreamInfo("EVENTUS")
	if errors.Is(err, nats.ErrStreamNotFound) || err == nil && info.State.Msgs == 0 {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	sub, err := js.SubscribeSync("eventus.>", nats.OrderedConsumer())
	if err != nil {
		return nil, err
	}
	for {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			return nil, err
		}
		found[m.Header.Get("ce-id")] = true
		if meta, err := m.Metadata(); err != nil || meta.NumPending == 0 {
			return found, err
		}
	}
}

// settle gives the broker power for good, and waits until the view is that of the log.
func (s *site) settle() {
	fs := s.powerOn(powercut.Options{Names: s.names})
	server := s.serve()
	defer func() {
		server.kill()
		s.must(fs.Close())
	}()
	var difference string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if difference = s.difference(); difference == "" {
			return
		}
	}
	s.Errorf("the view is not that of the log after %v: %s\n%s", patience, difference, s.lines.last())
}

// difference compares the view with the log.
func (s *site) difference() string {
	var logged, viewed, distinct, matching int
	s.must(s.db.QueryRow("SELECT count(*) FROM event_store").Scan(&logged))
	s.must(s.db.QueryRow("SELECT count(*), count(DISTINCT id) FROM view").Scan(&viewed, &distinct))
	if logged != viewed {
		return fmt.Sprintf("%d events, and %d in the view", logged, viewed)
	}
	s.must(s.db.QueryRow("SELECT count(*) FROM view WHERE version = (SELECT count(*) FROM view v WHERE v.stream = view.stream AND v.rowid <= view.rowid)").Scan(&matching))
	if distinct != viewed || matching != viewed {
		return fmt.Sprintf("of %d in the view %d are distinct and %d in order", viewed, distinct, matching)
	}
	return ""
}
