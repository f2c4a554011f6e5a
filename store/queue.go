package store

import (
	"context"
	"time"
)

// Queues keeps the streams of an inbox that do not flow, and the messages that
// wait behind the one that is to blame. A stream that flows has no row.
//
// Messages wait here and not at the broker, because a broker stops delivering
// when too many messages are unsettled. All times are those of the database's
// clock. Callers hold the stream's mark ([Inbox.Marks]) when they write.
type Queues[Tx any] interface {
	// SetQueue stores the state of a stream's queue, replacing the one that is
	// there. NextTry is set to retryAfter from now, and a queue that exists keeps
	// its Since. Messages and Last are not looked at.
	//
	// Any text is accepted as Error: a backend replaces what it cannot carry (a
	// NUL, broken UTF-8).
	SetQueue(ctx context.Context, tx Tx, q Queue, retryAfter time.Duration) error

	// FindQueue returns the queue of a stream; ok is false when the stream
	// flows.
	FindQueue(ctx context.Context, tx Tx, consumer string, s Stream) (q Queue, ok bool, err error)

	// DeleteQueue removes the queue of a stream and its messages. Removing none
	// is not an error.
	DeleteQueue(ctx context.Context, tx Tx, consumer string, s Stream) error

	// Enqueue adds messages to the queues of their streams, which exist. A
	// message of the same stream, version and id that is there stays as it is.
	Enqueue(ctx context.Context, tx Tx, consumer string, messages []QueuedMessage) error

	// Queued returns up to limit messages of a stream's queue in ascending order
	// of version, and of id within a version.
	Queued(ctx context.Context, tx Tx, consumer string, s Stream, limit int) ([]QueuedMessage, error)

	// Dequeue removes the messages of a stream's queue up to a version.
	Dequeue(ctx context.Context, tx Tx, consumer string, s Stream, version int64) error

	// DueQueues returns up to limit queues of categories that are retried by
	// themselves ([Reason.Retries]) and whose NextTry has come, those first that
	// have waited longest. It opens a transaction of its own.
	DueQueues(ctx context.Context, consumer string, categories []string, limit int) ([]Queue, error)

	// ListQueues returns up to limit queues of a consumer in ascending order of
	// category and id (compared byte by byte), after the given stream. The zero
	// Stream starts at the first. It opens a transaction of its own.
	ListQueues(ctx context.Context, consumer string, after Stream, limit int) ([]Queue, error)

	// OrphanQueues returns up to limit of the consumer's queues of categories
	// whose Reason is [Gap] and whose Version is 1, newest first, after the first
	// spared ones: streams of which no event has taken effect. It opens a
	// transaction of its own.
	OrphanQueues(ctx context.Context, consumer string, categories []string, spared, limit int) ([]Queue, error)

	// CountQueues counts the consumer's queues of categories by reason, and the
	// messages in all of them. It opens a transaction of its own.
	CountQueues(ctx context.Context, consumer string, categories []string) (QueueCounts, error)
}

// Queue is a stream of an inbox that does not flow.
type Queue struct {
	Consumer string
	Stream   Stream
	// Version is the first that is not done.
	Version  int64
	Reason   Reason
	Error    string
	Attempts int
	NextTry  time.Time
	Since    time.Time // when the stream stopped flowing
	// Due reports that NextTry has come.
	Due bool
	// Messages is how many wait in the queue, and Last the highest version among
	// them, 0 when there are none.
	Messages int64
	Last     int64
}

// QueuedMessage is a message that waits in the queue of its Stream. The category
// of a queue's stream may have characters that no category of a store has: a
// receiver so keeps apart the events that have no version.
type QueuedMessage struct {
	Message
	Source   string // what the producer calls itself
	Previous string // id of the event before in the stream; empty when not known
}

// QueueCounts counts the queues of some categories.
type QueueCounts struct {
	Streams  map[Reason]int64
	Oldest   time.Time // when the first of them stopped flowing; zero when there are none
	Messages int64
}

// Gap streams miss an event that the consumer has not got from the broker. They
// wait until it comes.
const Gap Reason = "gap"
