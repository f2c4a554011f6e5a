package memory

import (
	"slices"
	"time"

	"github.com/eventus-go/eventus/broker"
)

type durableKey struct{ name, topic string }

// durable is the state behind one name and topic, shared by its members. Its fields are
// guarded by the broker's mutex.
type durable struct {
	topic string
	// next is the index within the topic of the first message that was never
	// delivered.
	next int
	// open are the messages that were delivered and are not settled, in the
	// order of the topic.
	open []*message
	// changed is closed and replaced whenever messages may have become due.
	changed chan struct{}
}

// message is an open message.
type message struct {
	broker.Message
	sequence uint64 // within the topic
	attempt  int
	// due is when it is delivered again: after the acknowledgement wait while a
	// member has it, after the delay when it was handed back.
	due time.Time
}

func (d *durable) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// take returns up to limit messages that are due, those handed back first, and
// leaves them open until now plus ackWait.
func (d *durable) take(topic []broker.Message, limit int, now time.Time, ackWait time.Duration) []*message {
	var taken []*message
	for _, m := range d.open {
		if len(taken) < limit && !m.due.After(now) {
			taken = append(taken, m)
		}
	}
	for len(taken) < limit && d.next < len(topic) {
		m := &message{Message: topic[d.next], sequence: uint64(d.next) + 1}
		d.next++
		d.open = append(d.open, m)
		taken = append(taken, m)
	}
	for _, m := range taken {
		m.attempt++
		m.due = now.Add(ackWait)
	}
	return taken
}

// nextDue returns when the first open message is due; ok is false without any.
func (d *durable) nextDue() (first time.Time, ok bool) {
	for _, m := range d.open {
		if !ok || m.due.Before(first) {
			first, ok = m.due, true
		}
	}
	return first, ok
}

func (d *durable) remove(m *message) {
	if i := slices.Index(d.open, m); i >= 0 {
		d.open = slices.Delete(d.open, i, i+1)
	}
}
