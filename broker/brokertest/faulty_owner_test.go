package brokertest_test

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/memory"
)

// anybodys gives a topic to whoever claims it.
type anybodys struct{ *memory.Broker }

func (anybodys) Claim(context.Context, string, string) error { return nil }

// readThenWrite reads the owner of the topic and writes later.
type readThenWrite struct {
	*memory.Broker
	mu     sync.Mutex
	owners map[string]string
}

func (b *readThenWrite) Claim(_ context.Context, topic, history string) error {
	b.mu.Lock()
	owner, owned := b.owners[topic]
	b.mu.Unlock()
	if owned && owner != history {
		return &broker.OwnedError{Topic: topic, Owner: owner, Claimant: history, Cure: "?"}
	}
	for range 100 {
		runtime.Gosched() // gives others the time in which the race is lost
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owners == nil {
		b.owners = make(map[string]string)
	}
	b.owners[topic] = history
	return nil
}

// announced claims by a message that readers of the topic get.
type announced struct{ *memory.Broker }

func (b announced) Claim(ctx context.Context, topic, history string) error {
	_, err := b.Publish(ctx, []broker.Message{{ID: history, Topic: topic}})
	return errors.Join(err, b.Broker.Claim(ctx, topic, history))
}

// oldest gives the first message of a topic.
type oldest struct {
	*memory.Broker
	first broker.Tail
}

func (b *oldest) Last(ctx context.Context, topic string) (broker.Tail, error) {
	if len(b.first.Messages) > 0 {
		return b.first, nil
	}
	tail, err := b.Broker.Last(ctx, topic)
	return tail, err
}

func (b *oldest) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := b.Broker.Publish(ctx, messages)
	if len(b.first.Messages) == 0 && n > 0 {
		b.first = broker.Tail{Messages: map[string]broker.Message{messages[0].Topic: messages[0]}}
	}
	return n, err
}

// tokenless finds the last message, whatever the token.
type tokenless struct{ *memory.Broker }

func (b tokenless) Find(ctx context.Context, place, _ string) (broker.Message, bool, error) {
	tail, err := b.Last(ctx, place)
	m, ok := tail.Messages[place]
	return m, ok, err
}

// restless has a session for each call.
type restless struct {
	*memory.Broker
	sessions uint64
}

func (b *restless) Session() uint64 {
	b.sessions++
	return b.sessions
}

// nameless refuses without a word which message it is.
type nameless struct{ *memory.Broker }

func (b nameless) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := b.Broker.Publish(ctx, messages)
	if err != nil {
		err = errors.New("one of the messages is refused")
	}
	return n, err
}
