package store

import (
	"context"
	"time"
)

// Inbox keeps what each consumer has handled, in the database that the
// consumer's handlers write to. Tx is that database's transaction: pgx.Tx,
// *sql.Tx, *memory.Tx.
//
// The key of a mark is a consumer and a stream, its value the last handled
// version. State is one row for each pair, not one for each message. A mark
// whose stream has a category and no id is another thing: its value is a
// position, up to which the consumer has seen all of the log that is in that
// category.
//
// A consumer's name that [CheckConsumer] refuses is an [*InvalidError] from
// every method that takes one.
type Inbox[Tx any] interface {
	Transactions[Tx]
	DeadLetters[Tx]

	// Marks returns the consumer's marks for streams: one for each element, in
	// the same order, whether it is stored or not.
	// It locks them until tx ends: a second transaction that asks for one of
	// them, stored already or not, waits. What it gets then, Parked included, is
	// what the first has left, not what was there when the wait began.
	// Implementations take the locks in one order, so that two such calls cannot
	// deadlock.
	Marks(ctx context.Context, tx Tx, consumer string, streams []Stream) ([]Mark, error)

	// SetMarks stores marks, forwards or back. The caller has read them in tx by
	// Marks.
	SetMarks(ctx context.Context, tx Tx, consumer string, marks []Mark) error

	// Reset removes all marks and dead letters of the consumer: the first half
	// of a rebuild. The second half, emptying the read model, is the caller's,
	// in the same transaction. It locks all marks of the consumer, stored or
	// not, as Marks would: it waits for transactions that hold some, and forgets
	// what they leave, and who asks for one waits for tx to end.
	Reset(ctx context.Context, tx Tx, consumer string) error
}

// Mark is how far a consumer has come in a stream.
type Mark struct {
	Stream  Stream
	Version int64 // the last handled version; 0 when none
	// Parked tells that the stream has dead letters for this consumer: later
	// messages queue behind them. SetMarks does not look at it.
	Parked bool
}

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
