package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// Subscribe implements [broker.Subscriber]. It creates the durable consumer, and
// the stream too when it is gone, or joins the consumer that exists. A consumer
// with another filter is an error that says what to do, and stays as it is.
func (b *Broker) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	if err := broker.CheckName(name); err != nil {
		return nil, fmt.Errorf("subscription name %w", err)
	}
	if err := broker.CheckName(topic); err != nil {
		return nil, fmt.Errorf("topic %w", err)
	}
	if err := b.ensureStream(ctx); err != nil {
		return nil, fmt.Errorf("subscribe %s to %s: %w", name, topic, err)
	}
	consumer, err := b.ensureConsumer(ctx, name, topic, start)
	if err != nil {
		return nil, fmt.Errorf("subscribe %s to %s: %w", name, topic, err)
	}
	return b.newSubscription(name, consumer.CachedInfo().Config.AckWait), nil
}

func (b *Broker) ensureConsumer(ctx context.Context, name, topic string, start broker.Start) (jetstream.Consumer, error) {
	want := jetstream.ConsumerConfig{
		Durable:       name,
		FilterSubject: b.cfg.Prefix + "." + topic + ".*",
		DeliverPolicy: jetstream.DeliverNewPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       b.cfg.AckWait,
		MaxAckPending: b.cfg.MaxAckPending,
		MaxDeliver:    -1,
	}
	if start == broker.FromFirst {
		want.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	consumer, err := b.js.Consumer(ctx, b.cfg.Stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = b.js.CreateConsumer(ctx, b.cfg.Stream, want)
		if errors.Is(err, jetstream.ErrConsumerExists) {
			consumer, err = b.js.Consumer(ctx, b.cfg.Stream, name) // another member was first
		}
	}
	if errors.Is(err, jetstream.ErrNotPullConsumer) {
		return nil, fmt.Errorf("consumer %s is a push consumer: take another name, or delete the consumer", name)
	}
	if err != nil {
		return nil, err
	}
	return consumer, compareConsumer(consumer.CachedInfo().Config, want)
}
