package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/broker"
)

// The words of the acknowledgement protocol (NATS ADR-15).
const (
	ack        = "+ACK"
	nak        = "-NAK"
	term       = "+TERM"
	inProgress = "+WPI"
)

// delivery is a message in hand. Its methods do not wait for the server: a word
// that is lost brings the message again.
type delivery struct {
	subscription *subscription
	reply        string // where the server expects the word
	message      broker.Message
	attempt      int
	sequence     uint64
}

func (d *delivery) Message() broker.Message { return d.message }
func (d *delivery) Attempt() int            { return d.attempt }

// Sequence implements [broker.Sequenced]: it is the message's sequence in the
// stream ("nats stream get").
func (d *delivery) Sequence() uint64 { return d.sequence }

func (d *delivery) Ack(context.Context) error { return d.settle(ack) }

func (d *delivery) Nak(_ context.Context, delay time.Duration) error {
	if delay <= 0 {
		return d.settle(nak)
	}
	return d.settle(fmt.Sprintf(`%s {"delay": %d}`, nak, delay.Nanoseconds()))
}

func (d *delivery) Term(_ context.Context, reason string) error {
	return d.settle(term + " " + reason)
}

func (d *delivery) InProgress(context.Context) error {
	s := d.subscription
	s.mu.Lock()
	_, held := s.held[d]
	s.mu.Unlock()
	if !held {
		return nil
	}
	return s.broker.tell(d.reply, inProgress)
}

// settle sends the last word about d, unless it was said before. One that could
// not be sent may be said again.
func (d *delivery) settle(word string) error {
	s := d.subscription
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.held[d]; !held {
		return nil
	}
	if err := s.broker.tell(d.reply, word); err != nil {
		return err
	}
	delete(s.held, d)
	return nil
}

// tell sends a word about the delivery whose reply subject it is.
func (b *Broker) tell(reply, word string) error {
	if err := b.nc.Publish(reply, []byte(word)); err != nil {
		return fmt.Errorf("tell the server %.4s: %w", word, err)
	}
	return nil
}
