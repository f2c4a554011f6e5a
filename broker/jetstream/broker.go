package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

var (
	_ broker.Publisher  = (*Broker)(nil)
	_ broker.Subscriber = (*Broker)(nil)
	_ broker.Notifier   = (*Broker)(nil)
)

// Broker publishes to and subscribes from one stream. It is safe for concurrent
// use.
type Broker struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	cfg Config
}

// New returns a broker on nc, which the caller owns and closes. It creates the
// stream, or makes sure that the one of that name fits cfg: one with other
// subjects, storage, retention or partitions is an error that says what to do,
// and stays as it is.
func New(ctx context.Context, nc *nats.Conn, cfg Config) (*Broker, error) {
	if nc == nil {
		return nil, errors.New("jetstream broker: the connection is nil: pass the one from nats.Connect")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("jetstream broker: %w", err)
	}
	js, err := jetstream.New(nc,
		jetstream.WithPublishAsyncTimeout(cfg.PublishTimeout),
		// Each Publish bounds what it has in flight. A bound over all of them
		// fails callers that waited 200 ms.
		jetstream.WithPublishAsyncMaxPending(1<<30),
	)
	if err != nil {
		return nil, fmt.Errorf("jetstream broker: %w", err)
	}
	b := &Broker{nc: nc, js: js, cfg: cfg}
	if err := b.ensureStream(ctx); err != nil {
		return nil, fmt.Errorf("jetstream broker: %w", err)
	}
	return b, nil
}
