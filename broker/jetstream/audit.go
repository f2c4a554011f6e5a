package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// Place implements [broker.Auditor]: it is the stream and the subject.
func (b *Broker) Place(topic, key string) string { return b.cfg.Stream + "/" + b.subject(topic, key) }

// Session implements [broker.Auditor] by the number of the connection's
// reconnects.
func (b *Broker) Session() uint64 { return b.nc.Stats().Reconnects }

// Last implements [broker.Auditor]. It compares the stream's settings with
// Config again, and creates the stream if it is gone.
func (b *Broker) Last(ctx context.Context, topic string) (broker.Tail, error) {
	if err := broker.CheckName(topic); err != nil {
		return broker.Tail{}, fmt.Errorf("topic %w", err)
	}
	tail, err := b.last(ctx, topic)
	if err != nil {
		return broker.Tail{}, fmt.Errorf("ask for the last messages of topic %s: %w", topic, err)
	}
	return tail, nil
}

func (b *Broker) last(ctx context.Context, topic string) (broker.Tail, error) {
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
	tail := broker.Tail{Messages: make(map[string]broker.Message, len(info.State.Subjects)), MaxAge: info.Config.MaxAge}
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
