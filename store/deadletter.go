package store

import (
	"context"
	"time"
)

// DeadLetters keeps on record the messages of an inbox that will not take effect:
// those that could not be used, and those that somebody decided to skip.
type DeadLetters[Tx any] interface {
	// AddDeadLetter stores l, which gets the next id and the current time. Any text
	// is accepted: a backend replaces what it cannot carry (a NUL, broken
	// UTF-8).
	AddDeadLetter(ctx context.Context, tx Tx, l DeadLetter) error

	// ListDeadLetters returns up to limit letters of a consumer with an id below
	// before, in descending order of id. 0 starts at the last. It opens a
	// transaction of its own.
	ListDeadLetters(ctx context.Context, consumer string, before int64, limit int) ([]DeadLetter, error)

	// TrimDeadLetters removes all but the newest letters of a consumer that have no
	// Reason, and returns how many it removed. Those with a Reason are kept. It
	// opens a transaction of its own.
	TrimDeadLetters(ctx context.Context, consumer string, newest int) (int64, error)
}

// DeadLetter is a message that will not take effect, with all that is known of it.
type DeadLetter struct {
	ID       int64
	Consumer string
	// Message is the event, as far as it could be read. Stream.Category is the
	// topic. Data may be cut.
	Message Message
	Source  string
	// BrokerID is the message's id at the broker, Sequence its place there, 0 if
	// the broker does not say it, and Header its headers.
	BrokerID string
	Sequence uint64
	Header   map[string]string
	Size     int    // bytes of the whole data
	Error    string // what is wrong
	// Reason is why somebody skipped the message; empty when it could not be
	// used.
	Reason string
	At     time.Time
}
