package broker

import (
	"context"
	"time"
)

// Auditor is implemented by brokers that show what they hold last, so that a
// publisher finds out what they have lost.
type Auditor interface {
	// Place names where a message goes: messages of one place keep the order in
	// which they were published. There is a bounded number of places for each
	// topic.
	Place(topic, key string) string

	// Last returns what the broker holds last at the places of topic.
	Last(ctx context.Context, topic string) (Tail, error)

	// Session returns a number that changes when the broker may have been
	// exchanged behind the connection, such as after a reconnect.
	Session() uint64
}

// Tail is what a broker holds last at the places of a topic.
type Tail struct {
	// Messages are by place. A place without messages is left out.
	Messages map[string]Message
	// MaxAge is how long the broker keeps messages. 0 means for as long as it
	// lives.
	MaxAge time.Duration
}
