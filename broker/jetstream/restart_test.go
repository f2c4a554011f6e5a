package jetstream_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// restartable is a server on a port that stays the same.
type restartable struct {
	*natsd.Server
	cfg natsd.Config
}

func serveTCP(t testing.TB) *restartable {
	t.Helper()
	r := &restartable{cfg: natsd.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0"}}
	r.Server = serve(t, r.cfg)
	r.cfg.Addr = strings.TrimPrefix(r.URL(), "nats://")
	return r
}

// restart continues on the files in dir.
func (r *restartable) restart(t testing.TB, dir string) {
	t.Helper()
	r.Shutdown()
	r.cfg.Dir = dir
	r.Server = serve(t, r.cfg)
}

func TestADurableSubscriptionSurvivesARestart(t *testing.T) {
	srv := serveTCP(t)
	b := open(t, dial(t, srv.URL()), jetstream.Config{})
	member := &member{t: t, broker: b}
	member.subscribe()
	publishAll(t, b, numbered("topic", 0, 2))
	member.receive("topic-000000")

	// The member waits while the server goes and comes.
	var wg sync.WaitGroup
	wg.Go(func() { member.receive("topic-000001", "topic-000002") })
	srv.restart(t, srv.cfg.Dir)
	publishAll(t, b, numbered("topic", 2, 1))
	wg.Wait()
}

// With the connection the server forgets the request, and Fetch asks anew.
func TestFetchSurvivesALostConnection(t *testing.T) {
	srv := serveTCP(t)
	publisher := open(t, connect(t, srv.Server), jetstream.Config{})
	line := &line{up: make(chan struct{}, 1)}
	line.up <- struct{}{}
	nc, err := nats.Connect(srv.URL(), nats.SetCustomDialer(line), nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	sub, err := open(t, nc, jetstream.Config{}).Subscribe(t.Context(), "reader", "topic", broker.FromNow)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()

	var wg sync.WaitGroup
	wg.Go(func() {
		if got, err := sub.Fetch(t.Context(), 1); err != nil || got[0].Message().ID != "topic-000000" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	awaitRequests(t, srv.Server, 1)
	line.cut()
	awaitRequests(t, srv.Server, 0)
	publishAll(t, publisher, numbered("topic", 0, 1))
	line.up <- struct{}{}
	wg.Wait()
}

// line dials when it is up, once for each token.
type line struct {
	up   chan struct{}
	conn net.Conn
}

func (l *line) Dial(network, address string) (net.Conn, error) {
	<-l.up
	var err error
	l.conn, err = net.Dial(network, address)
	return l.conn, err
}

func (l *line) cut() { l.conn.Close() }

// awaitRequests returns when the server has n pull requests for the reader.
func awaitRequests(t testing.TB, srv *natsd.Server, n int) {
	t.Helper()
	js := rawClient(t, connect(t, srv))
	for {
		consumer, err := js.Consumer(t.Context(), "EVENTUS", "reader@topic")
		if err != nil {
			t.Fatal(err)
		}
		if consumer.CachedInfo().NumWaiting == n {
			return
		}
	}
}

func TestALostStorageIsAnErrorAndResubscribingCuresIt(t *testing.T) {
	srv := serveTCP(t)
	b := open(t, dial(t, srv.URL()), jetstream.Config{})
	member := &member{t: t, broker: b}
	member.subscribe()
	lost := member.Subscription
	srv.restart(t, t.TempDir())
	if got, err := lost.Fetch(t.Context(), 1); err == nil {
		t.Fatalf("got %v", got)
	}
	member.subscribe()
	publishAll(t, b, numbered("topic", 0, 1))
	member.receive("topic-000000")
}

func TestADeletedConsumerIsAnErrorAndResubscribingCuresIt(t *testing.T) {
	for name, remove := range map[string]func(context.Context, raw.JetStream) error{
		"consumer": func(ctx context.Context, js raw.JetStream) error {
			return js.DeleteConsumer(ctx, "EVENTUS", "reader@topic")
		},
		"stream": func(ctx context.Context, js raw.JetStream) error { return js.DeleteStream(ctx, "EVENTUS") },
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, natsd.Config{Dir: t.TempDir()})
			nc := connect(t, srv)
			b := open(t, nc, jetstream.Config{})
			member := &member{t: t, broker: b}
			member.subscribe()
			ended := make(chan error)
			go func() {
				_, err := member.Fetch(t.Context(), 1)
				ended <- err
			}()
			awaitRequests(t, srv, 1)
			if err := remove(t.Context(), rawClient(t, nc)); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Fatal("Fetch returned messages")
			}
			member.subscribe()
			publishAll(t, b, numbered("topic", 0, 1))
			member.receive("topic-000000")
		})
	}
}

func TestFetchEndsWithTheConnection(t *testing.T) {
	srv := serve(t, natsd.Config{Dir: t.TempDir()})
	nc := connect(t, srv)
	member := &member{t: t, broker: open(t, nc, jetstream.Config{})}
	member.subscribe()
	ended := make(chan error)
	go func() {
		_, err := member.Fetch(t.Context(), 1)
		ended <- err
	}()
	awaitRequests(t, srv, 1)
	nc.Close()
	if err := <-ended; !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("got %v, want %v", err, nats.ErrConnectionClosed)
	}
	if err := member.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A relay publishes while the server stops and starts again and again, and
// resumes from what was confirmed. All arrive, and per key in order, once the
// consumer leaves out what it has seen.
func TestPublishResumesFromTheConfirmedPrefix(t *testing.T) {
	srv := serveTCP(t)
	b := open(t, dial(t, srv.URL()), jetstream.Config{})
	want := numbered("topic", 0, 20_000)
	type outcome struct {
		confirmed int
		err       error
	}
	outcomes := make(chan outcome)
	go func() {
		defer close(outcomes)
		for rest := want; len(rest) > 0; {
			n, err := b.Publish(t.Context(), rest[:min(len(rest), 2000)])
			outcomes <- outcome{n, err}
			rest = rest[n:]
		}
	}()
	// Stop the server within the call after one that got something done.
	failures := 0
	for o := range outcomes {
		switch {
		case o.err != nil:
			failures++
			time.Sleep(time.Millisecond) // a relay's backoff
		case failures == 0 || o.confirmed > 0:
			srv.restart(t, srv.cfg.Dir)
		}
	}
	if failures == 0 {
		t.Fatal("no Publish was interrupted: this test proved nothing")
	}

	for key, ids := range firstCopies(t, b, len(want)) {
		if !slices.IsSorted(ids) {
			t.Errorf("%s: out of order", key)
		}
	}
}

// The limit of unsettled messages neither loses nor delays what is below it.
func TestFetchAtTheLimitOfUnsettledMessages(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{MaxAckPending: 4})
	sub, err := b.Subscribe(t.Context(), "reader", "topic", broker.FromNow)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	publishAll(t, b, numbered("topic", 0, 10))
	var got []broker.Delivery
	for len(got) < 4 {
		deliveries, err := sub.Fetch(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, deliveries...)
	}
	for i := range 10 {
		if len(got) == 0 {
			var err error
			if got, err = sub.Fetch(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		if id := got[0].Message().ID; id != numbered("topic", i, 1)[0].ID {
			t.Fatalf("got %s in place %d", id, i)
		}
		if err := got[0].Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		got = got[1:]
	}
}

// member does what a receiver does: after an error it subscribes again.
type member struct {
	t      testing.TB
	broker *jetstream.Broker
	start  broker.Start
	broker.Subscription
}

func (m *member) subscribe() {
	if m.Subscription != nil {
		m.Close()
	}
	for {
		sub, err := m.broker.Subscribe(m.t.Context(), "reader", "topic", m.start)
		if err == nil {
			m.Subscription = sub
			m.t.Cleanup(func() { sub.Close() })
			return
		}
		time.Sleep(time.Millisecond) // a receiver's pause
	}
}

// receive acknowledges messages until it has seen those ids, and fails when
// others come or they come in another order.
func (m *member) receive(ids ...string) {
	for len(ids) > 0 {
		got, err := m.Fetch(m.t.Context(), 1)
		if err != nil {
			m.subscribe()
			continue
		}
		if id := got[0].Message().ID; id != ids[0] {
			m.t.Errorf("got %s, want %s", id, ids[0])
			return
		}
		if err := got[0].Ack(m.t.Context()); err != nil {
			m.t.Errorf("Ack: %v", err)
		}
		ids = ids[1:]
	}
}

// publishAll repeats until the server is back.
func publishAll(t testing.TB, b *jetstream.Broker, messages []broker.Message) {
	t.Helper()
	for len(messages) > 0 {
		n, err := b.Publish(t.Context(), messages)
		if err != nil {
			time.Sleep(time.Millisecond) // a relay's backoff
		}
		messages = messages[n:]
	}
}
