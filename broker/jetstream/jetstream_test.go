package jetstream_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker/brokertest"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

func TestContract(t *testing.T) { brokertest.Run(t, openBackend) }

func BenchmarkContract(b *testing.B) { brokertest.Bench(b, openBackend) }

// openBackend opens a broker on a server of its own.
func openBackend(t testing.TB, ackWait time.Duration) brokertest.Backend {
	srv := serve(t, natsd.Config{Dir: t.TempDir()})
	return open(t, connect(t, srv), jetstream.Config{AckWait: ackWait})
}

func serve(t testing.TB, cfg natsd.Config) *natsd.Server {
	t.Helper()
	srv, err := natsd.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	return srv
}

func connect(t testing.TB, srv *natsd.Server) *nats.Conn {
	t.Helper()
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// dial connects by TCP, so that the connection survives a restart.
func dial(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // else broken pipes go to standard error
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func open(t testing.TB, nc *nats.Conn, cfg jetstream.Config) *jetstream.Broker {
	t.Helper()
	b, err := jetstream.New(t.Context(), nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
