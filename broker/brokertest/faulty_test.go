package brokertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/memory"
)

// lossy confirms the first of a batch and does not keep it.
type lossy struct{ *memory.Broker }

func (b lossy) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	if len(messages) == 0 {
		return 0, nil
	}
	n, err := b.Broker.Publish(ctx, messages[1:])
	return n + 1, err
}

type modest struct{ *memory.Broker }

func (b modest) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := b.Broker.Publish(ctx, messages)
	return max(n-1, 0), err
}

// pipelined has all messages of a batch in flight; of its first, the first half
// fails and the rest arrives.
type pipelined struct {
	*memory.Broker
	failed bool
}

func (b *pipelined) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	if !b.failed {
		b.failed = true
		_, err := b.Broker.Publish(context.WithoutCancel(ctx), messages[len(messages)/2:])
		return 0, errors.Join(errors.New("no confirmation of the first"), err)
	}
	return b.Broker.Publish(ctx, messages)
}

// undecided sends all, and then sees that the context has ended.
type undecided struct{ *memory.Broker }

func (b *undecided) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := b.Broker.Publish(context.WithoutCancel(ctx), messages)
	return n, errors.Join(ctx.Err(), err)
}

type backwards struct{ *memory.Broker }

func (b backwards) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	messages = slices.Clone(messages)
	slices.Reverse(messages)
	return b.Broker.Publish(ctx, messages)
}

type eager struct{ *memory.Broker }

func (b eager) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	for i := range messages {
		if _, err := b.Broker.Publish(ctx, messages[i:i+1]); err != nil {
			return 0, err
		}
	}
	return len(messages), nil
}

// canonical writes headers as net/http does.
type canonical struct{ *memory.Broker }

func (b canonical) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	messages = slices.Clone(messages)
	for i, m := range messages {
		messages[i].Header = make(map[string]string)
		for name, value := range m.Header {
			messages[i].Header[textproto.CanonicalMIMEHeaderKey(name)] = value
		}
	}
	return b.Broker.Publish(ctx, messages)
}

type lenient struct{ *memory.Broker }

func (b lenient) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	return b.Broker.Subscribe(ctx, strings.ReplaceAll(name, ".", "_"), topic, start)
}

// glued has one subscription for each name that name and topic make.
type glued struct {
	*memory.Broker
	topics sync.Map // by name
}

func (b *glued) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	name += "-" + topic
	if first, known := b.topics.LoadOrStore(name, topic); known && first != topic {
		return nil, fmt.Errorf("consumer %s has another filter", name)
	}
	return b.Broker.Subscribe(ctx, name[:min(len(name), 128)], topic, start)
}

type oneTopic struct {
	*memory.Broker
	topics sync.Map // by name
}

func (b *oneTopic) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	if first, known := b.topics.LoadOrStore(name, topic); known && first != topic {
		return nil, fmt.Errorf("%s belongs to %s", name, first)
	}
	return b.Broker.Subscribe(ctx, name, topic, start)
}

// ephemeral has subscriptions that end with their member.
type ephemeral struct {
	*memory.Broker
	anew    bool // whether the next one begins with the first message
	members atomic.Int64
}

func (b *ephemeral) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	if b.anew {
		start = broker.FromFirst
	}
	return b.Broker.Subscribe(ctx, fmt.Sprint(name, "-", b.members.Add(1)), topic, start)
}

type fromFirst struct{ *memory.Broker }

func (b fromFirst) Subscribe(ctx context.Context, name, topic string, _ broker.Start) (broker.Subscription, error) {
	return b.Broker.Subscribe(ctx, name, topic, broker.FromFirst)
}
