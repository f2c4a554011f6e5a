package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// What one Publish has in flight at most: enough to keep the server busy, and
// little beside its own limits (10,000 messages and 128 MiB for each stream).
const (
	windowMessages = 512
	windowBytes    = 8 << 20
)

// Publish implements [broker.Publisher]. It sends on while confirmations are on
// their way, 512 messages or 8 MiB ahead of them, and stops sending at the first
// that is missing.
//
// It publishes on a connection of its own, which is made by the first call in the
// way of the caller's, is closed with it, and never reconnects. So a disconnect
// loses the end of what was sent, and a message does not overtake one that was
// lost: after an error the next call makes a new connection, and the caller
// resumes from the first message that is not confirmed.
//
// A disconnect, a timeout (Config.PublishTimeout) and the end of ctx leave it
// open whether messages after the confirmed ones were stored. The server drops
// what is sent again within the duplicate window. If the server itself loses a
// message in the middle and stores later ones, the repetition of the first arrives
// after them, and readers put it in order by its version: so may a cluster while
// the stream changes its leader, and a server whose limits are reached for a moment.
//
// What the server calls a duplicate is confirmed only when it is there.
// Otherwise it and what follows it are sent again, under message IDs that the
// server does not know.
//
// A message above the server's max_payload or the stream's max_msg_size gives a
// [*broker.RefusedError], and no message after it is sent. A stream that was
// deleted gives [jetstream.ErrNoStreamResponse] and is created again, so that the
// next call finds it.
func (b *Broker) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	if err := checkAll(messages); err != nil {
		return 0, err
	}
	if len(messages) == 0 {
		return 0, ctx.Err()
	}
	stream, err := b.ready(ctx)
	if err != nil {
		return 0, fmt.Errorf("publish message %q to stream %s: %w", messages[0].ID, b.cfg.Stream, err)
	}
	confirmed, again := 0, ""
	for {
		p := publication{broker: b, messages: messages[confirmed:], encoder: encoder{broker: b}, again: again,
			maxSize: int(stream.CachedInfo().Config.MaxMsgSize), newest: b.newest()}
		err := p.publish(ctx)
		confirmed += p.confirmed
		if errors.Is(err, errSwallowed) {
			again = rand.Text()
			continue
		}
		if err != nil {
			err = b.failed(ctx, &messages[confirmed], confirmed, err)
		}
		return confirmed, err
	}
}

// failed says of which message err is, and makes sure of a stream that is gone.
func (b *Broker) failed(ctx context.Context, m *broker.Message, index int, err error) error {
	if cure := refusal(err); cure != "" {
		err = &broker.RefusedError{Index: index, ID: m.ID, Err: fmt.Errorf("%w: %s", err, cure)}
	}
	gone := errors.Is(err, jetstream.ErrNoStreamResponse)
	err = fmt.Errorf("publish message %q to stream %s: %w", m.ID, b.cfg.Stream, err)
	if gone {
		b.forget()
		if _, lost := b.ready(ctx); lost != nil {
			err = errors.Join(err, lost)
		}
	}
	return err
}

// codeHeaderTooLarge is of a message whose headers exceed 64 KiB.
const codeHeaderTooLarge = 10097

// refusal returns what to do about an error that comes again for the same
// message, and nothing for any other.
func refusal(err error) string {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return "raise max_payload in the server's configuration"
	case errors.Is(err, errMaxMsgSize), errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum):
		return "raise max_msg_size by \"nats stream edit\""
	case errors.Is(err, &jetstream.APIError{ErrorCode: codeHeaderTooLarge}):
		return "make its metadata smaller"
	}
	return ""
}

var (
	errMaxMsgSize = errors.New("message size exceeds the stream's max_msg_size")
	errBroken     = fmt.Errorf("the connection for publishing broke, and the next call makes another one: %w", nats.ErrDisconnected)
)

// publication is one attempt of Publish.
type publication struct {
	broker    *Broker
	lane      *lane
	messages  []broker.Message
	encoder   encoder
	again     string // makes message IDs new ones
	maxSize   int    // of the stream; 0 or less for none
	newest    uint64 // a sequence that was confirmed before what is confirmed next
	confirmed int
	bytes     int // in flight
}

// publish does it on a lane of its own.
func (p *publication) publish(ctx context.Context) error {
	w, err := p.broker.connected(ctx)
	if err != nil {
		return err
	}
	if p.lane, err = w.lane(); errors.Is(err, nats.ErrConnectionClosed) {
		return errBroken
	} else if err != nil {
		return fmt.Errorf("subscribe to the confirmations: %w", err)
	}
	defer p.lane.leave()
	err = p.run(ctx)
	if errors.Is(err, jetstream.ErrAsyncPublishTimeout) {
		w.nc.Close() // the server may be gone without a word
	}
	return err
}

func (p *publication) run(ctx context.Context) error {
	for i := range p.messages {
		size := len(p.messages[i].Data)
		for n := p.lane.inFlight(); n > 0 && (n == windowMessages || p.bytes+size > windowBytes); n = p.lane.inFlight() {
			if err := p.confirm(ctx); err != nil {
				return err
			}
		}
		if err := p.send(ctx, i, size); err != nil {
			// What was sent before this message may yet be confirmed. If it is not,
			// that is the message to go on with.
			if earlier := p.confirmAll(ctx); earlier != nil {
				return earlier
			}
			return err
		}
	}
	return p.confirmAll(ctx)
}

func (p *publication) send(ctx context.Context, i, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := p.encoder.encode(&p.messages[i], p.again)
	// What is refused before it is sent is not overtaken by what follows it.
	if p.maxSize > 0 && m.Size()-len(m.Subject)-len(m.Reply) > p.maxSize {
		return errMaxMsgSize
	}
	err := p.lane.send(m, i, size)
	if errors.Is(err, nats.ErrConnectionClosed) {
		return errBroken
	}
	if err == nil {
		p.bytes += size
	}
	return err
}

func (p *publication) confirmAll(ctx context.Context) error {
	for p.lane.inFlight() > 0 {
		if err := p.confirm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// confirm waits for the oldest message in flight. The wait ends at the latest
// with Config.PublishTimeout.
func (p *publication) confirm(ctx context.Context) error {
	b, l := p.broker, p.lane
	answer, err := l.await(ctx, b.cfg.PublishTimeout)
	if err != nil {
		return err
	}
	ack, usual, err := l.parse(answer)
	if err != nil {
		return err
	}
	f := l.flight(l.oldest)
	m := &p.messages[f.index]
	if !usual {
		if ack.Stream != b.cfg.Stream {
			return fmt.Errorf("subject %s belongs to stream %s: choose another Config.Prefix", f.subject, ack.Stream)
		}
		if ack.Duplicate {
			if err := b.verify(ctx, p.encoder.encode(m, p.again), ack.Sequence); err != nil {
				return err
			}
		} else {
			l.learn(answer, ack)
		}
	}
	b.confirmed(f.subject, kept{m.ID, ack.Sequence}, p.newest, ack.Duplicate)
	if !ack.Duplicate {
		p.newest = ack.Sequence // the next one's is higher, unless the server loses this one meanwhile
	}
	p.confirmed++
	p.bytes -= f.size
	f.answer = nil
	l.oldest++
	return nil
}
