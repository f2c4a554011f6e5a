package power

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/fire/powercut"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store/sqlite"
)

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
	refused   int             // times that an operator was needed
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
	s.Cleanup(func() {
		if s.conn != nil && s.broker != nil {
			s.close()
		}
	})
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
	s.must(s.db.Close()) // a second one does nothing
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

// difference compares the view with the log.
func (s *site) difference() string {
	var logged, viewed, distinct, matching int
	s.must(s.db.QueryRow("SELECT count(*) FROM event_store").Scan(&logged))
	s.must(s.db.QueryRow("SELECT count(*), count(DISTINCT id) FROM view").Scan(&viewed, &distinct))
	if logged != viewed {
		return fmt.Sprintf("%d events, and %d in the view", logged, viewed)
	}
	s.must(s.db.QueryRow("SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY stream ORDER BY rowid) AS place FROM view) WHERE version = place").Scan(&matching))
	if distinct != viewed || matching != viewed {
		return fmt.Sprintf("of %d in the view %d are distinct and %d in order", viewed, distinct, matching)
	}
	return ""
}
