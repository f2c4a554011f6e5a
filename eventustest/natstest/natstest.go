// Package natstest gives tests a NATS server with JetStream.
//
// [Connect] is all that most tests need. [Start] is for tests that stop and
// start a server, or hand its URL to other processes.
package natstest

import (
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/infra/natsd"
)

// Connect returns a connection to the server that EVENTUS_TEST_NATS is the URL
// of, else to a new one within this process that stores into a temporary folder.
// Both go when t ends.
//
// The server behind EVENTUS_TEST_NATS keeps its streams, and other tests are on
// it: there a stream's name and subjects are to be the test's own.
func Connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := connect(t)
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func connect(t testing.TB) (*nats.Conn, error) {
	// As broker/jetstream asks for it.
	opts := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(10 * time.Millisecond)}
	if url := os.Getenv("EVENTUS_TEST_NATS"); url != "" {
		return nats.Connect(url, opts...)
	}
	return Start(t, natsd.Config{}).Connect(opts...)
}

// Start starts a server within this process. Without a Dir it stores into a
// temporary folder. When t ends it is stopped; what was stored then is removed.
// An Addr of "127.0.0.1:0" lets other processes in.
func Start(t testing.TB, cfg natsd.Config) *natsd.Server {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	server, err := natsd.Start(cfg)
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	t.Cleanup(server.Shutdown)
	return server
}
