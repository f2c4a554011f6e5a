// Package memory is a message broker in this process: the reference of the
// contract in [github.com/eventus-go/eventus/broker], for tests and for programs
// of one process.
//
// It keeps every message for as long as the Broker lives, and drops no repeated
// IDs. It starts no goroutines, and holds timers only while a Fetch waits, so
// that it runs in a testing/synctest bubble.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

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

// Config adjusts a [Broker].
type Config struct {
	// AckWait is how long a delivery may stay unsettled before the message is
	// delivered again. Zero means 30 seconds, as on a NATS server.
	AckWait time.Duration
}

// Broker keeps topics and durable subscriptions. It is safe for concurrent use.
type Broker struct {
	ackWait time.Duration

	mu            sync.Mutex
	topics        map[string][]broker.Message // by topic, in the order of publishing
	durables      map[durableKey]*durable
	owners        map[string]string // histories, by topic
	notifications map[*notification]struct{}
}

// New returns a broker without messages.
func New(cfg Config) *Broker {
	if cfg.AckWait <= 0 {
		cfg.AckWait = 30 * time.Second
	}
	return &Broker{
		ackWait:       cfg.AckWait,
		topics:        make(map[string][]broker.Message),
		durables:      make(map[durableKey]*durable),
		owners:        make(map[string]string),
		notifications: make(map[*notification]struct{}),
	}
}

// Publish implements [broker.Publisher]. It is atomic: either all messages are
// confirmed or none is.
func (b *Broker) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := broker.CheckAll(messages); err != nil {
		return 0, err
	}
	for _, call := range b.keep(messages) {
		call()
	}
	return len(messages), nil
}

// keep stores messages, wakes the members that wait for them, and returns whom
// to notify.
func (b *Broker) keep(messages []broker.Message) []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range messages {
		b.topics[m.Topic] = append(b.topics[m.Topic], clone(m))
	}
	for _, d := range b.durables {
		d.wake()
	}
	return b.concerned(messages)
}

// Subscribe implements [broker.Subscriber].
func (b *Broker) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := broker.CheckName(name); err != nil {
		return nil, fmt.Errorf("subscription name %w", err)
	}
	if err := broker.CheckName(topic); err != nil {
		return nil, fmt.Errorf("topic %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := durableKey{name, topic}
	d := b.durables[key]
	if d == nil {
		d = &durable{topic: topic, changed: make(chan struct{})}
		if start == broker.FromNow {
			d.next = len(b.topics[topic])
		}
		b.durables[key] = d
	}
	return &subscription{
		broker:  b,
		durable: d,
		held:    make(map[*delivery]struct{}),
		closed:  make(chan struct{}),
	}, nil
}

// clone keeps publishers and consumers from sharing what a broker on the other
// side of a network would not share either.
func clone(m broker.Message) broker.Message {
	m.Header = maps.Clone(m.Header)
	m.Data = bytes.Clone(m.Data)
	return m
}
