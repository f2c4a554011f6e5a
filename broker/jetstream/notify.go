package jetstream

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker"
)

// subscribeTimeout is how long the server may take to register a subscription of
// Notify. Past it, Notify goes on: what it loses are hints.
const subscribeTimeout = time.Second

// Notify implements [broker.Notifier] by a plain subscription to the topics'
// subjects, on the connection of the broker. It needs no stream, and the user's
// right to subscribe to <Prefix>.<topic>.*; without that right the server says so
// to the connection's error handler, and no call comes.
//
// The subscription survives reconnects. After each one f is called, because
// messages may have been published meanwhile.
func (b *Broker) Notify(topics []string, f func()) (stop func(), err error) {
	if err := broker.CheckNotify(topics, f); err != nil {
		return nil, err
	}
	n := &notification{nc: b.nc, f: f, connected: b.nc.StatusChanged(nats.CONNECTED)}
	go n.followConnection()
	for _, topic := range topics {
		sub, err := b.nc.Subscribe(b.cfg.Prefix+"."+topic+".*", func(*nats.Msg) { f() })
		if err != nil {
			n.stop()
			return nil, fmt.Errorf("notify of topic %s: %w", topic, err)
		}
		n.subs = append(n.subs, sub)
	}
	n.flush()
	return sync.OnceFunc(n.stop), nil
}

// notification is one call of Notify.
type notification struct {
	nc        *nats.Conn
	f         func()
	connected chan nats.Status
	subs      []*nats.Subscription
}

func (n *notification) followConnection() {
	for range n.connected {
		// A call before the server knows the subscription again would leave a
		// moment of which nobody hears.
		n.flush()
		n.f()
	}
}

// flush returns when the server knows the subscriptions, or can not be asked.
func (n *notification) flush() {
	if n.nc.Status() == nats.CONNECTED {
		_ = n.nc.FlushTimeout(subscribeTimeout)
	}
}

func (n *notification) stop() {
	n.nc.RemoveStatusListener(n.connected)
	for _, sub := range n.subs {
		_ = sub.Unsubscribe() // an error means that the connection is closed
	}
}
