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

// CommandHandler carries out commands of the type C: it loads an aggregate, lets
// it decide, and stores what it decided. A nil error says that the decision is
// committed, another that nothing is.
//
// The version is that of the aggregate after the command. A client sends it
// back with its next command ([Expect]), or waits for it at a read model.
type CommandHandler[C any] interface {
	Handle(ctx context.Context, command C) (version int64, err error)
}

// CommandHandlerFunc is a function as a [CommandHandler].
type CommandHandlerFunc[C any] func(ctx context.Context, command C) (version int64, err error)

// Handle calls f.
func (f CommandHandlerFunc[C]) Handle(ctx context.Context, command C) (int64, error) {
	return f(ctx, command)
}

// QueryHandler answers queries of the type Q from a read model. It changes
// nothing, and what it reads may be behind what is stored.
type QueryHandler[Q, R any] interface {
	Handle(ctx context.Context, query Q) (R, error)
}

// QueryHandlerFunc is a function as a [QueryHandler].
type QueryHandlerFunc[Q, R any] func(ctx context.Context, query Q) (R, error)

// Handle calls f.
func (f QueryHandlerFunc[Q, R]) Handle(ctx context.Context, query Q) (R, error) {
	return f(ctx, query)
}
