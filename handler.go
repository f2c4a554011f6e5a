package eventus

import "context"

// Handler handles messages of the events E. It is called for one message of a
// stream at a time, in the order of versions. A nil error says that the message
// is done with; after any other it may be called again with the same message.
//
// consume.Idempotent turns a handler that writes in a transaction into one
// whose effect happens once.
type Handler[E any] interface {
	Handle(ctx context.Context, m Message[E]) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc[E any] func(ctx context.Context, m Message[E]) error

// Handle calls f.
func (f HandlerFunc[E]) Handle(ctx context.Context, m Message[E]) error { return f(ctx, m) }
