package consume_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// wake returns a broker on a connection.
func wake(t testing.TB, nc *nats.Conn) *jetstream.Broker {
	t.Helper()
	b, err := jetstream.New(t.Context(), nc, jetstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// forgery is a message as anybody with the right to publish can send it.
func forgery(id string, version int, data string, more ...string) *nats.Msg {
	m := nats.NewMsg("eventus.bump.0")
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": uuid.NewString(), "ce-type": "bumped", "ce-source": "stranger",
		"ce-time": time.Now().UTC().Format(time.RFC3339Nano), "ce-subject": id, "ce-streamversion": fmt.Sprint(version),
	} {
		m.Header[name] = []string{value}
	}
	for i := 0; i+1 < len(more); i += 2 {
		m.Header[more[i]] = []string{more[i+1]}
	}
	m.Data = []byte(data)
	return m
}

// TestStrangersAtTheBrokerDoNothing publishes forged versions, rubbish and
// invented streams to the subjects that wake a follower.
func TestStrangersAtTheBrokerDoNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		nc := natstest.Connect(t)
		cfg := quick()
		cfg.Wake = wake(t, nc)
		f := r.follower("view", r, cfg, program{})
		start(t, f)
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
		publish := func(m *nats.Msg) {
			if err := nc.PublishMsg(m); err != nil {
				t.Error(err)
			}
		}
		for version := -1; version < 10; version++ { // old, next and later ones
			publish(forgery("a", version, `{"n":666}`))
		}
		publish(&nats.Msg{Subject: "eventus.bump.3", Data: []byte("no headers")})
		publish(&nats.Msg{Subject: "eventus.bump.deep.er.3"})
		publish(forgery("a", 4, "not JSON"))
		publish(forgery("a", 4, `{}`, "content-type", "application/cloudevents+json"))
		publish(forgery("a", 4, `{}`, "ce-position", "-5"))
		publish(forgery("a", 4, `{}`, "ce-time", "yesterday"))
		publish(forgery("a", 4, `{}`, "ce-streamversion", "99999999999999999999"))
		publish(forgery(strings.Repeat("x", 600), 1, `{}`))
		for i := range scale() {
			publish(forgery(fmt.Sprint("invented", i), 1, `{"n":1}`))
			if i%100 == 0 {
				add(t, r, fmt.Sprint("genuine", i), 1)
			}
		}
		add(t, r, "a", 3)
		if err := nc.FlushTimeout(time.Minute); err != nil {
			t.Error(err)
		}
		awaitExact(t, r, "view", r)
		for _, table := range []string{"parked_streams", "dead_letters", "inbox"} {
			if rows, err := r.number(t.Context(), "SELECT count(*) FROM "+table); err != nil || rows != 0 {
				t.Errorf("%s has %d rows, error %v", table, rows, err)
			}
		}
		if s, err := f.State(t.Context()); err != nil || s.Status != "running" || len(s.Segments) != 1 {
			t.Errorf("state %+v, error %v", s, err)
		}
	})
}

// TestABrokerThatIsGoneHoldsNothingUp stops the server of the broker under a
// follower, and starts a follower without it.
func TestABrokerThatIsGoneHoldsNothingUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		server := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
		nc, err := nats.Connect(server.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		cfg := quick()
		cfg.Wake = wake(t, nc)
		stop := start(t, r.follower("view", r, cfg, program{}))
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
		server.Shutdown()
		await(t, "the connection is gone", func() bool { return nc.Status() != nats.CONNECTED })
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
		stop()
		start(t, r.follower("view", r, cfg, program{}))
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
		nc.Close() // and it never comes back
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
	})
}
