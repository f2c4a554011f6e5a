package memory

import (
	"context"
	"time"

	"github.com/eventus-go/eventus/broker"
)

// delivery is one handing-over of a message to a member.
type delivery struct {
	subscription *subscription
	message      *message
	copy         broker.Message
	attempt      int
}

func (d *delivery) Message() broker.Message { return d.copy }
func (d *delivery) Attempt() int            { return d.attempt }

// Sequence implements [broker.Sequenced]: it is the message's number within the
// topic.
func (d *delivery) Sequence() uint64 { return d.message.sequence }

// Ack and Term also count when the message was delivered again meanwhile: it is
// done with, whoever says so.
func (d *delivery) Ack(context.Context) error {
	d.settle(func(durable *durable) { durable.remove(d.message) })
	return nil
}

func (d *delivery) Term(ctx context.Context, _ string) error { return d.Ack(ctx) }

func (d *delivery) Nak(_ context.Context, delay time.Duration) error {
	d.settle(func(durable *durable) {
		if d.current() {
			d.message.due = time.Now().Add(delay)
			durable.wake()
		}
	})
	return nil
}

func (d *delivery) InProgress(context.Context) error {
	b := d.subscription.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, held := d.subscription.held[d]; held && d.current() {
		d.message.due = time.Now().Add(b.ackWait)
	}
	return nil
}

// settle runs do unless d was settled before, or given back by Close.
func (d *delivery) settle(do func(*durable)) {
	s := d.subscription
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if _, held := s.held[d]; !held {
		return
	}
	delete(s.held, d)
	do(s.durable)
}

// current reports whether nobody else got the message since: a late word of the
// member before must not take it away from the member that has it now.
func (d *delivery) current() bool { return d.message.attempt == d.attempt }
