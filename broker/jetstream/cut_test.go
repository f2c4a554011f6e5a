package jetstream_test

import (
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
)

// cutter is a way to a server that loses the end of what was sent there: each
// connection but the first is cut somewhere in its first 200 KB.
type cutter struct {
	net.Listener
	server string
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener, server}
	t.Cleanup(func() { listener.Close() })
	go c.serve()
	return c
}

func (c *cutter) serve() {
	for spared := int64(1 << 40); ; spared = 0 {
		client, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil {
			client.Close()
			continue
		}
		cut := func() { client.Close(); server.Close() }
		go func() {
			defer cut()
			_, _ = io.CopyN(server, client, spared+rand.Int64N(200_000))
			_, _ = client.Read(make([]byte, 64<<10)) // is lost
		}()
		go func() {
			defer cut()
			_, _ = io.Copy(client, server)
		}()
	}
}

// The connection for publishing is cut again and again, and the server takes
// another one at once. What was sent before the cut and lost is not overtaken by
// what is sent after it.
func TestNoMessageOvertakesOneThatWasLost(t *testing.T) {
	srv := serveTCP(t)
	way := newCutter(t, strings.TrimPrefix(srv.URL(), "nats://"))
	nc, err := nats.Connect("nats://"+way.Addr().String(), nats.MaxReconnects(-1), nats.ReconnectWait(time.Microsecond),
		nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b := open(t, nc, jetstream.Config{})
	want := numbered("topic", 0, 20_000)
	failures := 0
	for rest := want; len(rest) > 0; {
		n, err := b.Publish(t.Context(), rest[:min(len(rest), 2000)])
		rest = rest[n:]
		if err != nil {
			failures++
			time.Sleep(time.Millisecond) // a relay's backoff
		}
	}
	if failures == 0 {
		t.Fatal("no Publish was interrupted: this test proved nothing")
	}
	for key, ids := range firstCopies(t, open(t, connect(t, srv.Server), jetstream.Config{}), len(want)) {
		if !slices.IsSorted(ids) {
			t.Errorf("%s: out of order", key)
		}
	}
}

// firstCopies returns the IDs of n messages by key, without those that were there
// before, in the order of the broker.
func firstCopies(t *testing.T, b *jetstream.Broker, n int) map[string][]string {
	t.Helper()
	check := &member{t: t, broker: b, start: broker.FromFirst}
	check.subscribe()
	ids, seen := make(map[string][]string), make(map[string]bool)
	for len(seen) < n {
		deliveries, err := check.Fetch(t.Context(), 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range deliveries {
			m := d.Message()
			if !seen[m.ID] {
				seen[m.ID] = true
				ids[m.Key] = append(ids[m.Key], m.ID)
			}
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ids
}
