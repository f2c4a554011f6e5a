package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// Subscribe implements [broker.Subscriber]. It creates the durable consumer
// "<name>@<topic>", and the stream too when it is gone, or joins the consumer that
// exists. A consumer with another filter is an error that says what to do, and
// stays as it is.
func (b *Broker) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	if err := broker.CheckName(name); err != nil {
		return nil, fmt.Errorf("subscription name %w", err)
	}
	if err := broker.CheckName(topic); err != nil {
		return nil, fmt.Errorf("topic %w", err)
	}
	b.forget() // the stream may have gone since
	if _, err := b.ready(ctx); err != nil {
		return nil, fmt.Errorf("subscribe %s to %s: %w", name, topic, err)
	}
	name = durableName(name, topic)
	consumer, err := b.ensureConsumer(ctx, name, topic, start)
	if err != nil {
		return nil, fmt.Errorf("subscribe %s to %s: %w", name, topic, err)
	}
	return b.newSubscription(name, consumer.CachedInfo().Config.AckWait), nil
}

// maxDurable is the most characters of a consumer's name. The server makes a
// folder of that name, and allows 255.
const maxDurable = 200

// durableName returns the name of the consumer behind a subscription. No name and
// no topic has an "@" in it, so that no two subscriptions have the same; one that
// would be too long has the hash of both at its end.
func durableName(name, topic string) string {
	durable := name + "@" + topic
	if len(durable) > maxDurable {
		hash := sha256.Sum256([]byte(durable))
		durable = durable[:maxDurable-2-len(hash)] + "@@" + hex.EncodeToString(hash[:len(hash)/2])
	}
	return durable
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
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeConsumerCreate {
		return nil, fmt.Errorf("the server cannot make consumer %s: its log says why; after a power loss it can be a corrupt state file, which the server does not replace: remove the folder obs/%s of stream %s in its JetStream folder: %w",
			name, name, b.cfg.Stream, err)
	}
	if err != nil {
		return nil, err
	}
	return consumer, compareConsumer(consumer.CachedInfo().Config, want)
}
