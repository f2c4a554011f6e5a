package eventus

import (
	"time"

	"github.com/eventus-go/eventus/store"
)

// Message is an event with its envelope, as handlers and histories see it.
type Message[E any] struct {
	// ID names the event in the whole world. It is the key to make effects
	// outside of a transaction idempotent.
	ID       string
	Stream   Stream
	Version  int64     // place in the stream: 1, 2, 3, no holes
	Position int64     // place in the whole log: grows, may have holes
	Time     time.Time // when it was recorded, UTC, to the microsecond
	// Type is the wire name under which it is stored, the old one for an
	// upcast event.
	Type     string
	Metadata Metadata
	Event    E
}

// The words of the store that domain code uses.
type (
	// Stream names one aggregate: its category and its id.
	Stream = store.Stream
	// Metadata is what an event carries besides its data; see [ContextWithMetadata].
	Metadata = store.Metadata
	// ConflictError is what a lost race or a stale version looks like.
	ConflictError = store.ConflictError
	// InvalidError tells which input was refused, and why.
	InvalidError = store.InvalidError
)
