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
// A disconnect, a timeout (Config.PublishTimeout) and the end of ctx leave it
// open whether messages after the confirmed ones were stored. The server drops
// what is sent again within the duplicate window. When a message in the middle
// failed and later ones were stored, the repetition of the first arrives after
// them. Publish sends nothing more once the connection is another one, but it
// cannot ask for that and send in one step: if the client disconnects and reconnects
// in between, one message goes out on the new connection while those before it
// were lost with the old one. Readers put it in order by its version.
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
		p := publication{broker: b, reconnects: b.nc.Stats().Reconnects, again: again,
			maxSize: int(stream.CachedInfo().Config.MaxMsgSize), newest: b.newest()}
		err := p.run(ctx, messages[confirmed:])
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

var errMaxMsgSize = errors.New("message size exceeds the stream's max_msg_size")

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

// publication is one attempt of Publish.
type publication struct {
	broker     *Broker
	reconnects uint64 // of the connection when it began
	again      string // makes message IDs new ones
	maxSize    int    // of the stream; 0 or less for none
	newest     uint64 // a sequence that was confirmed before what is confirmed next
	confirmed  int
	inFlight   []flight
	bytes      int
}

type flight struct {
	jetstream.PubAckFuture
	id   string
	size int
}

func (p *publication) run(ctx context.Context, messages []broker.Message) error {
	for _, m := range messages {
		size := len(m.Data)
		for len(p.inFlight) > 0 && (len(p.inFlight) == windowMessages || p.bytes+size > windowBytes) {
			if err := p.confirm(ctx); err != nil {
				return err
			}
		}
		if err := p.send(ctx, p.broker.encode(m, p.again), m.ID, size); err != nil {
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

// send hands a message to the client, unless the connection is not the one that
// took the messages before it: these may be lost with the old one.
func (p *publication) send(ctx context.Context, m *nats.Msg, id string, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if nc := p.broker.nc; nc.Status() != nats.CONNECTED || nc.Stats().Reconnects != p.reconnects {
		return nats.ErrDisconnected
	}
	// What is refused before it is sent is not overtaken by what follows it.
	if p.maxSize > 0 && m.Size()-len(m.Subject) > p.maxSize {
		return errMaxMsgSize
	}
	// The client's retry on "no responders" would come after later messages.
	future, err := p.broker.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return err
	}
	p.inFlight = append(p.inFlight, flight{future, id, size})
	p.bytes += size
	return nil
}

func (p *publication) confirmAll(ctx context.Context) error {
	for len(p.inFlight) > 0 {
		if err := p.confirm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// confirm waits for the oldest message in flight. The wait ends at the latest
// with Config.PublishTimeout.
func (p *publication) confirm(ctx context.Context) error {
	oldest := p.inFlight[0]
	ack, err := await(ctx, oldest)
	if err != nil {
		return err
	}
	if stream := p.broker.cfg.Stream; ack.Stream != stream {
		return fmt.Errorf("subject %s belongs to stream %s: choose another Config.Prefix", oldest.Msg().Subject, ack.Stream)
	}
	if ack.Duplicate {
		if err := p.broker.verify(ctx, oldest.Msg(), ack.Sequence); err != nil {
			return err
		}
	}
	p.broker.confirmed(oldest.Msg().Subject, kept{oldest.id, ack.Sequence}, p.newest, ack.Duplicate)
	if !ack.Duplicate {
		p.newest = ack.Sequence // the next one's is higher, unless the server loses this one meanwhile
	}
	p.confirmed++
	p.bytes -= oldest.size
	p.inFlight = p.inFlight[1:]
	return nil
}

// await prefers a confirmation that is there to a context that has ended, so
// that the caller repeats no more than it has to.
func await(ctx context.Context, f jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	select {
	case ack := <-f.Ok():
		return ack, nil
	default:
	}
	select {
	case ack := <-f.Ok():
		return ack, nil
	case err := <-f.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
