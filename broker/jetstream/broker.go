package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

var (
	_ broker.Publisher  = (*Broker)(nil)
	_ broker.Subscriber = (*Broker)(nil)
	_ broker.Notifier   = (*Broker)(nil)
	_ broker.Owner      = (*Broker)(nil)
	_ broker.Auditor    = (*Broker)(nil)
	_ broker.Sequenced  = (*delivery)(nil)
)

// Broker publishes to and subscribes from one stream. It is safe for concurrent
// use.
type Broker struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	cfg Config
	// options are those of nc when New was called.
	options nats.Options

	mu      sync.Mutex
	stream  jetstream.Stream // nil before it was compared with cfg
	wire    *wire            // nil before the first Publish, and after it broke
	dialing *dialing         // nil when no wire is on its way

	breaks atomic.Uint64 // how many wires broke

	sequences   sync.Mutex
	highest     uint64          // the highest sequence that the server has confirmed, since it went back
	regressions uint64          // how often it went back
	last        map[string]kept // what lies last of what was confirmed, by subject
	lastOf      uint64          // the number of connections that last is of
}

// New returns a broker on nc, which the caller owns and closes. It creates the
// stream, or makes sure that the one of that name fits cfg: one with other
// subjects, storage, retention or partitions, or with limits that lose messages,
// is an error that says what to do, and stays as it is.
//
// With Config.Lazy New does not ask the server, so that a program starts while it
// is down. Connect with [nats.RetryOnFailedConnect] then. Each call that needs
// the stream looks for it until it is there, and returns what New would have
// returned.
func New(ctx context.Context, nc *nats.Conn, cfg Config) (*Broker, error) {
	if nc == nil {
		return nil, errors.New("jetstream broker: the connection is nil: pass the one from nats.Connect")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("jetstream broker: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream broker: %w", err)
	}
	b := &Broker{nc: nc, js: js, cfg: cfg, options: nc.Opts, last: make(map[string]kept)}
	if cfg.Lazy {
		return b, nil
	}
	if _, err := b.ready(ctx); err != nil {
		return nil, fmt.Errorf("jetstream broker: %w", err)
	}
	return b, nil
}

var errNotConnected = errors.New("the connection to the NATS server is down, and comes back by itself")

// ready returns the stream, which it makes or compares with Config unless that
// was done before.
func (b *Broker) ready(ctx context.Context) (jetstream.Stream, error) {
	b.mu.Lock()
	stream := b.stream
	b.mu.Unlock()
	if stream != nil {
		return stream, nil
	}
	if status := b.nc.Status(); status == nats.RECONNECTING || status == nats.CONNECTING || status == nats.DISCONNECTED {
		return nil, errNotConnected
	}
	stream, err := b.ensureStream(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stream = stream
	return stream, nil
}

// forget has the next ready look at the stream again.
func (b *Broker) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stream = nil
}

// lost returns err, and forgets the stream when err says that it is gone.
func (b *Broker) lost(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		b.forget()
	}
	return err
}
