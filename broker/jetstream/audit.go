package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// Place implements [broker.Auditor]: it is the stream and the subject.
func (b *Broker) Place(topic, key string) string { return b.cfg.Stream + "/" + b.subject(topic, key) }

// Session implements [broker.Auditor]. It changes with a reconnect, when the
// connection for publishing broke, and when the server confirms a message with a
// sequence that it has given before: then the stream has lost its end, or is a new
// one.
func (b *Broker) Session() uint64 {
	b.sequences.Lock()
	defer b.sequences.Unlock()
	return b.connections() + b.regressions
}

// connections counts the connections that came after others.
func (b *Broker) connections() uint64 { return b.nc.Stats().Reconnects + b.breaks.Load() }

// Newest implements [broker.Auditor]: the token is the message's sequence in the
// stream.
func (b *Broker) Newest(place string) (id, token string) {
	b.sequences.Lock()
	defer b.sequences.Unlock()
	if last, ok := b.last[strings.TrimPrefix(place, b.cfg.Stream+"/")]; ok && b.lastOf == b.connections() {
		return last.id, strconv.FormatUint(last.sequence, 10)
	}
	return "", ""
}

// newest returns the highest sequence that was confirmed. What is published
// afterwards gets a higher one.
func (b *Broker) newest() uint64 {
	b.sequences.Lock()
	defer b.sequences.Unlock()
	return b.highest
}

// kept is a message that the server has confirmed.
type kept struct {
	id       string
	sequence uint64
}

// confirmed notes a message that was published after newest had returned before.
func (b *Broker) confirmed(subject string, m kept, before uint64, duplicate bool) {
	b.sequences.Lock()
	defer b.sequences.Unlock()
	if connections := b.connections(); b.lastOf != connections {
		clear(b.last)
		b.lastOf = connections
	}
	if duplicate {
		// It has the sequence of the first copy, behind which others may lie.
		if m.sequence > b.last[subject].sequence {
			b.last[subject] = m
		}
		return
	}
	if m.sequence <= before && b.highest >= before {
		b.regressions++
		b.highest = m.sequence
		clear(b.last)
	}
	b.highest = max(b.highest, m.sequence)
	b.last[subject] = m
}

// Find implements [broker.Auditor].
func (b *Broker) Find(ctx context.Context, place, token string) (broker.Message, bool, error) {
	sequence, err := strconv.ParseUint(token, 10, 64)
	if err != nil || sequence == 0 {
		return broker.Message{}, false, nil
	}
	stream, err := b.ready(ctx)
	if err != nil {
		return broker.Message{}, false, err
	}
	m, err := stream.GetMsg(ctx, sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return broker.Message{}, false, nil
	case err != nil:
		return broker.Message{}, false, fmt.Errorf("ask for message %d of stream %s: %w", sequence, b.cfg.Stream, b.lost(err))
	case b.cfg.Stream+"/"+m.Subject != place:
		return broker.Message{}, false, nil
	}
	return b.decode(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}), true, nil
}

// Last implements [broker.Auditor]. It compares the stream's settings with
// Config again, and creates the stream if it is gone.
func (b *Broker) Last(ctx context.Context, topic string) (broker.Tail, error) {
	if err := broker.CheckName(topic); err != nil {
		return broker.Tail{}, fmt.Errorf("topic %w", err)
	}
	tail, err := b.tail(ctx, topic)
	if err != nil {
		return broker.Tail{}, fmt.Errorf("ask for the last messages of topic %s: %w", topic, err)
	}
	return tail, nil
}

func (b *Broker) tail(ctx context.Context, topic string) (broker.Tail, error) {
	b.forget()
	if _, err := b.ready(ctx); err != nil {
		return broker.Tail{}, err
	}
	// A handle of its own: Info would change what others read.
	stream, err := b.js.Stream(ctx, b.cfg.Stream)
	if err != nil {
		return broker.Tail{}, b.lost(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(b.cfg.Prefix+"."+topic+".*"))
	if err != nil {
		return broker.Tail{}, b.lost(err)
	}
	tail := broker.Tail{Messages: make(map[string]broker.Message, len(info.State.Subjects)), MaxAge: info.Config.MaxAge, Drops: drops(info.Config)}
	for subject := range info.State.Subjects {
		m, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it went in between
		}
		if err != nil {
			return broker.Tail{}, b.lost(err)
		}
		tail.Messages[b.cfg.Stream+"/"+subject] = b.decode(&nats.Msg{Subject: subject, Header: m.Header, Data: m.Data})
	}
	return tail, nil
}
