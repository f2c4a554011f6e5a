package jetstream

import (
	"context"
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
// them.
//
// A message above the server's max_payload gives [nats.ErrMaxPayload]; a stream
// that was deleted gives [jetstream.ErrNoStreamResponse] and is created again,
// so that the next call finds it.
func (b *Broker) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	for i := range messages {
		if err := check(&messages[i]); err != nil {
			return 0, err
		}
	}
	if len(messages) == 0 {
		return 0, ctx.Err()
	}
	p := publication{broker: b, reconnects: b.nc.Stats().Reconnects}
	err := p.run(ctx, messages)
	if err == nil {
		return p.confirmed, nil
	}
	failed := &messages[p.confirmed]
	err = fmt.Errorf("publish message %q to stream %s: %w", failed.ID, b.cfg.Stream, err)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		if lost := b.ensureStream(ctx); lost != nil {
			err = errors.Join(err, lost)
		}
	}
	return p.confirmed, err
}

// publication is one call of Publish.
type publication struct {
	broker     *Broker
	reconnects uint64 // of the connection when the call began
	confirmed  int
	inFlight   []flight
	bytes      int
}

type flight struct {
	jetstream.PubAckFuture
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
		if err := p.send(ctx, p.broker.encode(m), size); err != nil {
			// What was sent before this message may yet be confirmed.
			return errors.Join(p.confirmAll(ctx), err)
		}
	}
	return p.confirmAll(ctx)
}

// send hands a message to the client, unless the connection is not the one that
// took the messages before it: these may be lost with the old one.
func (p *publication) send(ctx context.Context, m *nats.Msg, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if nc := p.broker.nc; nc.Status() != nats.CONNECTED || nc.Stats().Reconnects != p.reconnects {
		return nats.ErrDisconnected
	}
	// The client's retry on "no responders" would come after later messages.
	future, err := p.broker.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return err
	}
	p.inFlight = append(p.inFlight, flight{future, size})
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
