package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/nats-io/nats.go"
	rawjetstream "github.com/nats-io/nats.go/jetstream"
)

// backlog is the number of events in the relay's outbox.
const backlog = 10_000

func relayFigures() []figure {
	return []figure{{
		name:  "relay/backlog",
		title: "Relay of a backlog to JetStream",
		unit:  "messages/s",
		open: func(ctx context.Context, l *lab) ([]contender, error) {
			return opened(ctx, l, openRelay, openRawPublish, openForwarder)
		},
	}}
}

// gate keeps the relay from the outbox until a whole backlog is there.
type gate struct {
	*postgres.Store
	open atomic.Bool
}

func (g *gate) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	if !g.open.Load() {
		return nil, after, ctx.Err()
	}
	return g.Store.Unpublished(ctx, after, limit)
}

// openRelay measures the relay: it reads, publishes and marks a backlog.
func openRelay(ctx context.Context, l *lab) (contender, error) {
	s, _, err := l.postgres(ctx, 8)
	if err != nil {
		return contender{}, err
	}
	nc, err := l.nats()
	if err != nil {
		return contender{}, err
	}
	br, err := jetstream.New(ctx, nc, jetstream.Config{})
	if err != nil {
		return contender{}, err
	}
	g := &gate{Store: s}
	relay := outbox.New(g, br, outbox.Config{MaxPollInterval: time.Millisecond})
	ended := l.background(ctx, relay.Run)
	repo := eventus.NewRepository(s, orders)
	published := int64(0)
	return contender{name: "Eventus", role: ours, measure: batches(backlog, func(ctx context.Context) (time.Duration, error) {
		g.open.Store(false)
		for range backlog / batch {
			if _, err := saveOrder(ctx, repo, batch); err != nil {
				return 0, err
			}
		}
		published += backlog
		start := time.Now()
		g.open.Store(true)
		for relay.State().Position < published { // marked, and not only published
			select {
			case err := <-ended:
				return 0, fmt.Errorf("the relay has ended: %w", err)
			case <-time.After(time.Millisecond):
			}
		}
		return time.Since(start), nil
	})}, nil
}

// openRawPublish publishes the same messages from memory with the client's
// asynchronous API.
func openRawPublish(ctx context.Context, l *lab) (contender, error) {
	s, _, err := l.postgres(ctx, 2)
	if err != nil {
		return contender{}, err
	}
	nc, err := l.nats()
	if err != nil {
		return contender{}, err
	}
	if _, err := jetstream.New(ctx, nc, jetstream.Config{}); err != nil { // makes the stream as for Eventus
		return contender{}, err
	}
	js, err := rawjetstream.New(nc, rawjetstream.WithPublishAsyncMaxPending(backlog))
	if err != nil {
		return contender{}, err
	}
	if _, err := saveOrder(ctx, eventus.NewRepository(s, orders), backlog); err != nil {
		return contender{}, err
	}
	page, err := s.ReadAll(ctx, 0, backlog)
	if err != nil {
		return contender{}, err
	}
	return contender{name: "bare PublishMsgAsync", role: limit, note: "from memory: reads and marks nothing", measure: batches(backlog, func(context.Context) (time.Duration, error) {
		messages := rawMessages(page)
		start := time.Now()
		err := publish(js, messages)
		return time.Since(start), err
	})}, nil
}

// rawMessages returns the messages that the relay would send. Each has a new id, so
// that the server does not drop it as a duplicate.
func rawMessages(page []store.Message) []*nats.Msg {
	messages := make([]*nats.Msg, len(page))
	for i, m := range page {
		m.ID = newID()
		encoded := cloudevents.Encode(cloudevents.Event{Message: m, Source: "/bench", History: m.ID, Previous: m.ID})
		header := nats.Header{rawjetstream.MsgIDHeader: {m.ID}, "Eventus-Key": {encoded.Key}}
		for name, value := range encoded.Header {
			header[name] = []string{value}
		}
		messages[i] = &nats.Msg{Subject: "eventus." + category + "." + strconv.Itoa(i%16), Header: header, Data: m.Data}
	}
	return messages
}

// publish returns when the server has confirmed all messages.
func publish(js rawjetstream.JetStream, messages []*nats.Msg) error {
	futures := make([]rawjetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		var err error
		if futures[i], err = js.PublishMsgAsync(m); err != nil {
			return err
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		}
	}
	return nil
}
