package store

import (
	"context"
	"time"
)

// Inbox keeps what each receiver of messages has handled, in the database that
// its handlers write to. It is for services that cannot read the store that the
// messages come from.
//
// The key of a mark is a consumer and a stream; its value is the version and the
// id of the last event that took effect. State is one row for each pair, not one
// for each message.
//
// A consumer's name that [CheckConsumer] refuses is an [*InvalidError] from
// every method that takes one.
type Inbox[Tx any] interface {
	Transactions[Tx]
	Queues[Tx]
	DeadLetters[Tx]

	// Marks returns the consumer's marks for streams: one for each element, in
	// the same order, whether it is stored or not.
	//
	// It locks them until tx ends: a second transaction that asks for one of
	// them, stored already or not, blocks, and then gets what the first has
	// left, the stream's queue included. Implementations take the locks in one
	// order, so that two such calls cannot deadlock.
	Marks(ctx context.Context, tx Tx, consumer string, streams []Stream) ([]Mark, error)

	// SetMarks stores marks, forwards or back. The caller has read them in tx by
	// Marks.
	SetMarks(ctx context.Context, tx Tx, consumer string, marks []Mark) error

	// Reset removes everything that the inbox holds of the consumer, dead
	// letters excepted, and draws a new [Inbox.Incarnation]: the first half of a
	// rebuild. The second half, emptying the read model, is the caller's, in the
	// same transaction.
	//
	// It locks all marks of the consumer, stored or not. It first waits for
	// transactions that hold some, and transactions that ask for one block until
	// tx ends.
	Reset(ctx context.Context, tx Tx, consumer string) error

	// Incarnation returns a random name for what the inbox holds of the
	// consumer: 32 characters of a-z and 0-9. It is drawn by the first call and
	// by Reset. Two databases never have the same one, except for a copy. It
	// opens a transaction of its own.
	Incarnation(ctx context.Context, consumer string) (string, error)

	// Remember stores keys of events that have no version, and reports for each
	// whether it is new. A key that comes twice in one call is new once. A second
	// transaction that remembers the same key blocks until tx ends.
	Remember(ctx context.Context, tx Tx, consumer string, keys []EventKey) (fresh []bool, err error)

	// ForgetOlder removes up to limit of the consumer's keys that were
	// remembered longer than age ago, by the database's clock, and returns how
	// many. It opens a transaction of its own.
	ForgetOlder(ctx context.Context, consumer string, age time.Duration, limit int) (int64, error)
}

// Mark is how far a consumer has come in a stream.
type Mark struct {
	Stream  Stream
	Version int64 // the last handled version; 0 when none
	// EventID is the id of the event at Version. Empty when it is not known: in
	// marks that are older than the column.
	EventID string
	// Reason says why the stream has a queue ([Queue.Reason]). Empty when it
	// flows. SetMarks does not look at it.
	Reason Reason
}

// EventKey names an event of a producer that counts no versions.
type EventKey struct {
	Category string
	Source   string
	ID       string
}
