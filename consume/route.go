package consume

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
)

// Route leads the messages of one category to a handler; made by [On],
// [OnBatch] and [OnReset]. Tx is the transaction that the handler writes in.
type Route[Tx any] struct {
	category string
	decode   func(m store.Message) (typed any, known bool, err error)
	// handle gets one message, or what a batch has of them in a row.
	handle  func(ctx context.Context, tx Tx, typed []any) error
	batched bool
	outside bool
	reset   func(ctx context.Context, tx Tx) error // OnReset alone has it
}

// On calls handle for each message of source: an [eventus.Definition], or a
// table of [eventus.Foreign].
//
// The messages of a stream come in the order of versions, one at a time. What
// handle writes through tx commits together with the consumer's position, so
// that it happens once for each message. Several messages share a transaction.
// An error rolls it back; the message is tried again later, and only its own
// stream waits for it. [Permanent] says that no retry can help, [Transient] that
// one will help one day.
//
// The context ends when the message has taken half of [Config.LeaseDuration].
// It carries the message's metadata on, so that what handle appends is
// correlated to the message. handle does not commit or roll back tx and does not
// keep it.
func On[Tx, E any](source Source[E], handle func(ctx context.Context, tx Tx, m eventus.Message[E]) error) Route[Tx] {
	if handle == nil {
		panic("consume: On needs a function that handles messages; it is nil")
	}
	r := newRoute[Tx]("On", source)
	r.handle = func(ctx context.Context, tx Tx, typed []any) error {
		m := typed[0].(*eventus.Message[E])
		return handle(eventus.ContinueFrom(ctx, *m), tx, *m)
	}
	return r
}

// OnBatch calls handle for all messages of source that follow each other in a
// batch, in the order of the log: for one statement, or one pgx.Batch, instead
// of a round trip for each message. The rules of [On] hold for them together:
// an error rolls all of them back, and they are then tried in smaller parts
// until the message to blame is alone.
func OnBatch[Tx, E any](source Source[E], handle func(ctx context.Context, tx Tx, messages []eventus.Message[E]) error) Route[Tx] {
	if handle == nil {
		panic("consume: OnBatch needs a function that handles messages; it is nil")
	}
	r := newRoute[Tx]("OnBatch", source)
	r.batched = true
	r.handle = func(ctx context.Context, tx Tx, typed []any) error {
		messages := make([]eventus.Message[E], len(typed))
		for i := range typed {
			messages[i] = *typed[i].(*eventus.Message[E])
		}
		return handle(ctx, tx, messages)
	}
	return r
}

// OnReset says how the read model is emptied: reset runs in the transaction in
// which a rebuild sets the consumer back to the beginning of the log. A consumer
// without it cannot be rebuilt.
func OnReset[Tx any](reset func(ctx context.Context, tx Tx) error) Route[Tx] {
	if reset == nil {
		panic("consume: OnReset needs a function that empties the read model; it is nil")
	}
	return Route[Tx]{reset: reset}
}

// Outside marks a route whose effect lies outside of the database: a mail, a
// call. Each of its messages has a transaction of its own, so that the failure
// of another message does not repeat its effect. The effect happens at least
// once: it is repeated when the process ends between the effect and the commit.
// The message's ID is the key to make it idempotent.
//
// A consumer with such a route says where it begins ([Config.Start]), and cannot
// be rebuilt.
func Outside[Tx any](r Route[Tx]) Route[Tx] {
	r.outside = true
	return r
}

func newRoute[Tx, E any](name string, source Source[E]) Route[Tx] {
	if source == nil {
		panic(fmt.Sprintf("consume: %s needs the definition of the events, or a table of eventus.Foreign; it is nil", name))
	}
	return Route[Tx]{
		category: source.Category(),
		decode: func(m store.Message) (any, bool, error) {
			typed, known, err := source.Decode(m)
			if err != nil || !known {
				return nil, known, err
			}
			return &typed, true, nil
		},
	}
}
