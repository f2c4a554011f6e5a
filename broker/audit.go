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

	// Newest returns the ID of a message at place, and a token which says where the
	// broker keeps it. All that this value has had confirmed there since the session
	// changed last lies at or before that message. Both are empty when there is
	// none.
	Newest(place string) (id, token string)

	// Find returns the message that the broker keeps where token says, and
	// whether there is one. It may be another message than the one that the token
	// was made for: a broker that lost its storage counts from the beginning again.
	Find(ctx context.Context, place, token string) (m Message, ok bool, err error)

	// Last returns what the broker holds last at the places of topic.
	Last(ctx context.Context, topic string) (Tail, error)

	// Session returns a number that changes when the broker may have lost
	// messages or may be another one, such as after a reconnect. When it has not
	// changed since before a Publish, that one's messages follow those that were
	// confirmed before.
	Session() uint64
}

// Tail is what a broker holds last at the places of a topic.
type Tail struct {
	// Messages are by place. A place without messages is left out.
	Messages map[string]Message
	// MaxAge is how long the broker keeps messages. 0 means for as long as it
	// lives.
	MaxAge time.Duration
	// Drops says that the broker drops messages for other reasons than their age,
	// such as a maximum of their number. What is not there says nothing then.
	Drops bool
}
