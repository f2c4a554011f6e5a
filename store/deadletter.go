package store

import (
	"context"
	"time"
)

// DeadLetters holds the messages that a consumer could not handle, and behind
// each the later messages of its stream, in order.
type DeadLetters[Tx any] interface {
	// Park stores a dead letter. One that is already there (same consumer,
	// stream and version) is left as it is, except that a newer Error and
	// Attempts replace the old ones when Error is not empty.
	Park(ctx context.Context, tx Tx, d DeadLetter) error

	// Parked returns up to limit dead letters of one consumer and stream in
	// ascending order of version, inside tx.
	Parked(ctx context.Context, tx Tx, consumer string, s Stream, limit int) ([]DeadLetter, error)

	// Unpark removes one dead letter. Removing none is not an error.
	Unpark(ctx context.Context, tx Tx, consumer string, s Stream, version int64) error

	// ParkedStreams lists the streams that have dead letters for the consumer,
	// each by its oldest letter, in ascending order of category and id (compared
	// byte by byte), after the given stream; the zero Stream starts at the
	// first. It opens a transaction of its own.
	ParkedStreams(ctx context.Context, consumer string, after Stream, limit int) ([]DeadLetter, error)
}

// DeadLetter is a message that was set aside, with the reason.
type DeadLetter struct {
	Consumer string
	Message  Message
	// Error is the handler's last error; empty when the message only queues
	// behind an earlier one of its stream. Any text is accepted: what a backend
	// cannot carry in it (a NUL, broken UTF-8) it replaces.
	Error    string
	Attempts int
	ParkedAt time.Time // kept in UTC, cut to the microsecond
}
