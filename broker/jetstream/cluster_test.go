package jetstream_test

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// cluster is three servers by their names, on ports that stay the same.
type cluster map[string]*restartable

func serveCluster(t *testing.T) cluster {
	t.Helper()
	ports := freePorts(t, 6)
	routes := fmt.Sprintf("nats-route://%s, nats-route://%s, nats-route://%s", ports[0], ports[1], ports[2])
	c := make(cluster)
	var starting sync.WaitGroup
	for i := range 3 {
		name := fmt.Sprint("n", i)
		file := writeConfig(t, fmt.Sprintf("server_name: %s\ncluster { name: c, listen: %q, routes: [ %s ] }", name, ports[i], routes))
		c[name] = &restartable{cfg: natsd.Config{Dir: t.TempDir(), Addr: ports[3+i], File: file}}
	}
	for _, node := range c { // each waits for the others
		starting.Go(func() { node.Server = serve(t, node.cfg) })
	}
	starting.Wait()
	return c
}

// freePorts returns addresses of ports that were free a moment ago.
func freePorts(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func (c cluster) urls() string {
	var urls []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		urls = append(urls, "nats://"+c[name].cfg.Addr)
	}
	return strings.Join(urls, ",")
}

// openReplicated returns when the cluster has a leader that makes the stream.
func openReplicated(t *testing.T, nc *nats.Conn) *jetstream.Broker {
	t.Helper()
	for {
		b, err := jetstream.New(t.Context(), nc, jetstream.Config{Replicas: 3, AckWait: 2 * time.Second})
		if err == nil {
			return b
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Of a stream on three servers the one that leads is stopped while messages come
// and go, and started again: all arrive, for each key in order once the consumer
// leaves out what it has seen.
func TestAClusterLosesNothingWithOneOfThreeServers(t *testing.T) {
	c := serveCluster(t)
	publisher := openReplicated(t, dial(t, c.urls()))
	want := numbered("topic", 0, 6_000)
	var working sync.WaitGroup
	working.Go(func() {
		publishThrough(t, publisher, want[:2000])
		down := c[leader(t, c)]
		meanwhile(down.Shutdown, func() { publishThrough(t, publisher, want[2000:4000]) })
		meanwhile(func() { down.Server = serve(t, down.cfg) }, func() { publishThrough(t, publisher, want[4000:]) })
	})
	got := consumeAll(t, openReplicated(t, dial(t, c.urls())), len(want))
	working.Wait()
	for key, ids := range got {
		if !slices.IsSorted(ids) {
			t.Errorf("%s: out of order", key)
		}
	}
}

func meanwhile(one, other func()) {
	var both sync.WaitGroup
	both.Go(one)
	other()
	both.Wait()
}

// publishThrough publishes as a relay does: from the first message that was not
// confirmed.
func publishThrough(t *testing.T, b *jetstream.Broker, rest []broker.Message) {
	for len(rest) > 0 && t.Context().Err() == nil {
		n, err := b.Publish(t.Context(), rest[:min(len(rest), 100)])
		if rest = rest[n:]; err != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// consumeAll returns the IDs of n different messages by their keys, in the order
// of their first arrival.
func consumeAll(t *testing.T, b *jetstream.Broker, n int) map[string][]string {
	t.Helper()
	got, known := make(map[string][]string), make(map[string]bool)
	for len(known) < n && t.Context().Err() == nil {
		sub, err := b.Subscribe(t.Context(), "reader", "topic", broker.FromFirst)
		if err != nil {
			time.Sleep(50 * time.Millisecond) // until there is a leader
			continue
		}
		for err == nil && len(known) < n {
			var deliveries []broker.Delivery
			deliveries, err = sub.Fetch(t.Context(), 100)
			for _, d := range deliveries {
				if m := d.Message(); !known[m.ID] {
					known[m.ID] = true
					got[m.Key] = append(got[m.Key], m.ID)
				}
				_ = d.Ack(t.Context()) // one that is lost brings the message again
			}
		}
		_ = sub.Close()
	}
	return got
}

// leader is the name of the server that leads the stream.
func leader(t *testing.T, c cluster) string {
	stream, err := rawClient(t, dial(t, c.urls())).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Error(err)
		return "n0"
	}
	return stream.CachedInfo().Cluster.Leader
}
