package consume

import (
	"context"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
)

// Handler handles messages inside a transaction that also marks them as
// handled: what it writes through tx happens once for each message. It is
// called for one message of a stream at a time, in the order of versions.
//
// Work outside of tx may be repeated, when the transaction fails after it; the
// message's ID is the key to make such work idempotent. An error rolls back what
// was written, and the message comes again later; [Permanent] says that it
// would be of no use, [Transient] that it will be one day. A handler does not
// commit or roll back tx, does not keep it, and returns when ctx ends.
//
// The context carries the message's metadata on, so that what is appended in
// the handler is correlated to the message.
type Handler[Tx, E any] interface {
	Handle(ctx context.Context, tx Tx, m eventus.Message[E]) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc[Tx, E any] func(ctx context.Context, tx Tx, m eventus.Message[E]) error

// Handle calls f.
func (f HandlerFunc[Tx, E]) Handle(ctx context.Context, tx Tx, m eventus.Message[E]) error {
	return f(ctx, tx, m)
}

// Source types the messages of one category. An [eventus.Definition] is one, and
// so is a table of [eventus.Foreign].
type Source[E any] interface {
	// Category names the streams, and the topic at the broker.
	Category() string
	// Decode types a message. One that is not known passes by: the consumer goes
	// on behind it, and no handler sees it.
	Decode(m store.Message) (typed eventus.Message[E], known bool, err error)
}
