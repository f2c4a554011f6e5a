package memory

import (
	"context"
	"fmt"
	"strconv"

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

// Newest implements [broker.Auditor]: the token is the number of messages up to
// the last.
func (b *Broker) Newest(place string) (id, token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.topics[place]); n > 0 {
		return b.topics[place][n-1].ID, strconv.Itoa(n)
	}
	return "", ""
}

// Find implements [broker.Auditor].
func (b *Broker) Find(ctx context.Context, place, token string) (broker.Message, bool, error) {
	if err := ctx.Err(); err != nil {
		return broker.Message{}, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := strconv.Atoi(token)
	if err != nil || n < 1 || n > len(b.topics[place]) {
		return broker.Message{}, false, nil
	}
	return clone(b.topics[place][n-1]), true, nil
}

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
