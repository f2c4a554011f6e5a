package memory

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/broker"
)

// Claim implements [broker.Owner].
func (b *Broker) Claim(ctx context.Context, topic, history string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := broker.CheckName(topic); err != nil {
		return fmt.Errorf("topic %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	owner, owned := b.owners[topic]
	if owned && owner != history {
		return &broker.OwnedError{Topic: topic, Owner: owner, Claimant: history, Cure: "give each store a broker of its own"}
	}
	b.owners[topic] = history
	return nil
}

// Place implements [broker.Auditor]: each topic is one place.
func (b *Broker) Place(topic, _ string) string { return topic }

// Last implements [broker.Auditor].
func (b *Broker) Last(ctx context.Context, topic string) (broker.Tail, error) {
	if err := ctx.Err(); err != nil {
		return broker.Tail{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var tail broker.Tail
	if messages := b.topics[topic]; len(messages) > 0 {
		tail.Messages = map[string]broker.Message{topic: clone(messages[len(messages)-1])}
	}
	return tail, nil
}

// Session implements [broker.Auditor]. It never changes.
func (b *Broker) Session() uint64 { return 0 }
