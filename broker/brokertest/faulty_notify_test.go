package brokertest_test

import (
	"context"
	"slices"
	"sync"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/memory"
)

type firstTopic struct{ *memory.Broker }

func (b firstTopic) Notify(topics []string, f func()) (func(), error) {
	return b.Broker.Notify(topics[:min(1, len(topics))], f)
}

// oneShot ends with its first call, as a watch of some key-value stores does.
type oneShot struct{ *memory.Broker }

func (b oneShot) Notify(topics []string, f func()) (func(), error) {
	var once sync.Once
	return b.Broker.Notify(topics, func() { once.Do(f) })
}

// loud calls everybody for every message.
type loud struct {
	*memory.Broker
	all []func()
}

func (b *loud) Notify(topics []string, f func()) (func(), error) {
	b.all = append(b.all, f)
	return b.Broker.Notify(topics, func() {})
}

func (b *loud) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := b.Broker.Publish(ctx, messages)
	for _, f := range b.all {
		f()
	}
	return n, err
}

type unstoppable struct{ *memory.Broker }

func (b unstoppable) Notify(topics []string, f func()) (func(), error) {
	_, err := b.Broker.Notify(topics, f)
	return func() {}, err
}

// stopsAll has one subscription for all.
type stopsAll struct {
	*memory.Broker
	stops []func()
}

func (b *stopsAll) Notify(topics []string, f func()) (func(), error) {
	stop, err := b.Broker.Notify(topics, f)
	b.stops = append(b.stops, stop)
	return func() {
		for _, stop := range b.stops {
			stop()
		}
	}, err
}

type forgiving struct{ *memory.Broker }

func (b forgiving) Notify(topics []string, f func()) (func(), error) {
	good := slices.DeleteFunc(slices.Clone(topics), func(topic string) bool { return broker.CheckName(topic) != nil })
	return b.Broker.Notify(append(good, "topic"), f)
}
