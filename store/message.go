package store

import "time"

// Event is an event on its way into a store: encoded, named, not yet placed.
type Event struct {
	// ID names the event in the whole world. Whoever makes it makes it unique
	// (the repository uses UUIDv7). Stores compare it only to know an append that
	// is repeated.
	ID string
	// Type is the stable wire name, for example "product.created".
	Type string
	// ContentType tells how Data is encoded, for example "application/json".
	ContentType string
	// Data is the encoded event.
	Data []byte
	// Time is when the event was recorded. Stores keep it in UTC, cut to the
	// microsecond.
	Time time.Time
	// Metadata tells where the event came from.
	Metadata Metadata
}

// Message is an event with its envelope: what a store gives back.
type Message struct {
	Event

	Stream   Stream
	Version  int64 // place in the stream: 1, 2, 3, no holes
	Position int64 // place in the whole log: grows, may have holes
}

// Metadata is what an event carries besides its data. The zero value is empty
// and valid.
type Metadata struct {
	// CorrelationID groups all that one request set off.
	CorrelationID string
	// CausationID is the id of the message or command that led to this event.
	CausationID string
	// Actor is who asked for it.
	Actor string
	// Fields are free. "traceparent" is copied to the broker's message as the
	// W3C header of that name.
	Fields map[string]string
}
