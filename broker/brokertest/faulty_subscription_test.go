package brokertest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/memory"
)

// subscriber spoils subscriptions.
type subscriber struct {
	*memory.Broker
	spoil func(broker.Subscription) broker.Subscription
}

func (b subscriber) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	sub, err := b.Broker.Subscribe(ctx, name, topic, start)
	if err != nil {
		return nil, err
	}
	return b.spoil(sub), nil
}

// deliverer spoils deliveries.
type deliverer struct {
	broker.Subscription
	spoil func(broker.Delivery) broker.Delivery
}

func (s deliverer) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	got, err := s.Subscription.Fetch(ctx, limit)
	for i := range got {
		got[i] = s.spoil(got[i])
	}
	return got, err
}

type greedy struct{ broker.Subscription }

func (s greedy) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	return s.Subscription.Fetch(ctx, limit+1)
}

type polite struct{ broker.Subscription }

func (s polite) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	if limit < 1 {
		return nil, nil
	}
	return s.Subscription.Fetch(ctx, limit)
}

type quiet struct{ broker.Subscription }

func (s quiet) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	got, err := s.Subscription.Fetch(ctx, limit)
	if ctx.Err() != nil {
		return nil, nil
	}
	return got, err
}

// careless leaves a request at the server when its context ends, and drops the
// answer.
type careless struct{ broker.Subscription }

func (s careless) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	answer := make(chan []broker.Delivery, 1)
	go func() {
		got, err := s.Subscription.Fetch(context.WithoutCancel(ctx), limit)
		if err == nil { // else the subscription was closed
			answer <- got
		}
	}()
	select {
	case got := <-answer:
		return got, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// autoAck acknowledges what it delivers.
type autoAck struct{ broker.Subscription }

func (s autoAck) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	got, err := s.Subscription.Fetch(ctx, limit)
	for _, d := range got {
		err = errors.Join(err, d.Ack(ctx))
	}
	return got, err
}

type unnamed struct{ broker.Subscription }

func (s unnamed) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	got, err := s.Subscription.Fetch(ctx, limit)
	if errors.Is(err, broker.ErrClosed) {
		err = errors.New("nats: invalid subscription")
	}
	return got, err
}

// leaver never closes anything.
type leaver struct{ broker.Subscription }

func (leaver) Close() error { return nil }

type unheard struct{ broker.Delivery }

func (unheard) Ack(context.Context) error { return nil }

type immortal struct{ broker.Delivery }

func (immortal) Term(context.Context, string) error { return nil }

type silent struct{ broker.Delivery }

func (silent) InProgress(context.Context) error { return nil }

type hasty struct{ broker.Delivery }

func (d hasty) Nak(ctx context.Context, _ time.Duration) error { return d.Delivery.Nak(ctx, 0) }

type first struct{ broker.Delivery }

func (first) Attempt() int { return 1 }

// numbered is a delivery with a number of its own.
type numbered struct {
	broker.Delivery
	sequence uint64
}

func (d numbered) Sequence() uint64 { return d.sequence }

type strict struct {
	broker.Delivery
	settled atomic.Bool
}

func (d *strict) Ack(ctx context.Context) error {
	if d.settled.Swap(true) {
		return errors.New("message was already acknowledged")
	}
	return d.Delivery.Ack(ctx)
}
