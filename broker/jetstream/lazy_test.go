package jetstream_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// dialLater connects to a server that does not run yet.
func dialLater(t *testing.T, addr string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("nats://"+addr, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAProgramStartsWithoutItsServer(t *testing.T) {
	addr := freeAddr(t)
	nc := dialLater(t, addr)
	if _, err := jetstream.New(t.Context(), nc, jetstream.Config{}); err == nil {
		t.Error("New returns a broker, and was not asked to be lazy")
	}
	b := open(t, nc, jetstream.Config{Lazy: true})
	called := calls(t, b, "topic")
	if _, err := b.Publish(t.Context(), numbered("topic", 0, 1)); err == nil || !strings.Contains(err.Error(), "connection to the NATS server is down") {
		t.Errorf("got %v", err)
	}
	serve(t, natsd.Config{Dir: t.TempDir(), Addr: addr})
	publishAll(t, b, numbered("topic", 0, 1))
	<-called
}

func TestALazyBrokerTellsOfAStreamThatDoesNotFit(t *testing.T) {
	srv := serveTCP(t)
	stream := raw.StreamConfig{Name: "EVENTUS", Subjects: []string{"eventus.>"}, MaxMsgs: 10, Metadata: map[string]string{"eventus.partitions": "16"}}
	if _, err := rawClient(t, dial(t, srv.URL())).CreateStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	b := open(t, dial(t, srv.URL()), jetstream.Config{Lazy: true})
	if _, err := b.Publish(t.Context(), numbered("topic", 0, 1)); err == nil || !strings.Contains(err.Error(), "max_msgs 10") {
		t.Errorf("Publish: got %v", err)
	}
	if err := b.Claim(t.Context(), "topic", "history"); err == nil || !strings.Contains(err.Error(), "max_msgs 10") {
		t.Errorf("Claim: got %v", err)
	}
}
