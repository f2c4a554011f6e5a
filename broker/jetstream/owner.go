package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// ownership is the body of the message that says whose a topic is.
type ownership struct {
	History string `json:"history"`
}

// ownerSubject has a token more than the subjects of messages, so that no
// subscription to the topic gets what is there.
func (b *Broker) ownerSubject(topic string) string {
	return b.cfg.Prefix + "." + topic + ".owner.history"
}

// Claim implements [broker.Owner] by a message in the stream, which says whose
// the topic is. The server stores it only if there is none yet
// (Nats-Expected-Last-Subject-Sequence), so that of two that claim at one time
// one gets the topic. The stream's metadata would not do: the server has no way
// to change it only if nobody else did.
//
// The message goes away with the stream. Where the stream has a MaxAge, it is
// renewed by each Claim after half of it, so that a topic is free again when its
// owner and all its messages are gone for that long.
func (b *Broker) Claim(ctx context.Context, topic, history string) error {
	if err := broker.CheckName(topic); err != nil {
		return fmt.Errorf("topic %w", err)
	}
	for {
		done, err := b.claim(ctx, topic, history)
		if err != nil {
			return fmt.Errorf("claim topic %s in stream %s: %w", topic, b.cfg.Stream, err)
		}
		if done {
			return nil
		}
	}
}

// claim returns false when somebody else claimed the topic in the same moment.
func (b *Broker) claim(ctx context.Context, topic, history string) (done bool, err error) {
	stream, err := b.ready(ctx)
	if err != nil {
		return false, err
	}
	var sequence uint64
	last, err := stream.GetLastMsgForSubject(ctx, b.ownerSubject(topic))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return false, b.lost(err)
	default:
		var o ownership
		if err := json.Unmarshal(last.Data, &o); err != nil {
			return false, fmt.Errorf("message %d on %s is not Eventus': %w", last.Sequence, last.Subject, err)
		}
		if o.History != history {
			return false, &broker.OwnedError{Topic: topic, Owner: o.History, Claimant: history, Cure: fmt.Sprintf(
				"give one of them a Config.Prefix and a Config.Stream of its own, or delete stream %s if the other store is gone", b.cfg.Stream)}
		}
		if maxAge := stream.CachedInfo().Config.MaxAge; maxAge == 0 || time.Since(last.Time) < maxAge/2 {
			return true, nil
		}
		sequence = last.Sequence
	}
	body, err := json.Marshal(ownership{history})
	if err != nil {
		return false, err
	}
	_, err = b.js.PublishMsg(ctx, &nats.Msg{Subject: b.ownerSubject(topic), Data: body},
		jetstream.WithExpectLastSequencePerSubject(sequence), jetstream.WithRetryAttempts(0))
	for _, code := range []jetstream.ErrorCode{jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant} {
		if errors.Is(err, &jetstream.APIError{ErrorCode: code}) {
			return false, nil
		}
	}
	return err == nil, b.lost(err)
}
