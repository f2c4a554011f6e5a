package memory

import (
	"slices"

	"github.com/eventus-go/eventus/broker"
)

// notification is one call of Notify.
type notification struct {
	topics []string
	f      func()
}

// Notify implements [broker.Notifier]. Publish calls f before it returns, once
// for all its messages.
func (b *Broker) Notify(topics []string, f func()) (stop func(), err error) {
	if err := broker.CheckNotify(topics, f); err != nil {
		return nil, err
	}
	n := &notification{topics: slices.Clone(topics), f: f}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notifications[n] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.notifications, n)
	}, nil
}

// concerned returns the functions to call for messages. The caller holds mu, and
// calls them without it.
func (b *Broker) concerned(messages []broker.Message) []func() {
	var calls []func()
	for n := range b.notifications {
		if slices.ContainsFunc(messages, func(m broker.Message) bool { return slices.Contains(n.topics, m.Topic) }) {
			calls = append(calls, n.f)
		}
	}
	return calls
}
