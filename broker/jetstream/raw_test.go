package jetstream_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"
)

// rawClient is a plain NATS client, to look behind the package's back.
func rawClient(t testing.TB, nc *nats.Conn) raw.JetStream {
	t.Helper()
	js, err := raw.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func wipe(t testing.TB, nc *nats.Conn, stream string) {
	t.Helper()
	if err := rawClient(t, nc).DeleteStream(context.WithoutCancel(t.Context()), stream); err != nil {
		t.Fatal(err)
	}
}
