package store

import (
	"context"
	"time"
)

// Reader reads single streams.
type Reader interface {
	// Read returns up to limit messages of s with a version greater than
	// after, in ascending order of version. A stream without events, and a
	// stream that ends at after, give an empty page and no error. A page is
	// shorter than limit only where the stream ends. Since versions have no holes,
	// a limit of v-after reads up to version v.
	//
	// It sees every append that returned before Read was called. A stream that
	// [Stream.Check] refuses is an [*InvalidError]. A limit below 1 gives an empty
	// page, here and in every other method that takes one.
	Read(ctx context.Context, s Stream, after int64, limit int) ([]Message, error)
}

// Store is what a repository needs: the truth about single streams.
// It is safe for concurrent use.
type Store interface {
	Reader

	// Append adds events to the end of s and returns the version of the last
	// one. Events get the versions current+1, current+2, ... in slice order.
	//
	// Append is atomic: when it returns nil, all events and one outbox row for
	// each are committed; when it returns an error, nothing was written, unless
	// the error is an [ErrOutcomeUnknown]. After that one, repeat the append.
	//
	// An append that repeats an earlier one, with the same expected version and
	// the same event ids, writes nothing and returns what that one has returned,
	// or would have. It must not expect [Any]: a store does not look for the
	// events of such an append.
	//
	// The stream must stand at expected, or Append returns a [*ConflictError]. That
	// holds for the event id as for the version: an append that names the event which
	// it follows never lands in another history.
	// Of concurrent appends that expect the same version exactly one wins. No
	// value of expected can open a hole or write a version twice.
	//
	// Input that [CheckAppend] refuses is refused by every store. The store keeps
	// neither events nor anything they point to.
	Append(ctx context.Context, s Stream, expected Expected, events []Event) (version int64, err error)
}

// Log reads the whole store in the order of positions. Followers read it, and the
// relay publishes again from it what the broker has lost.
type Log interface {
	Reader

	// ReadAll returns up to limit messages of all streams with a position
	// greater than after, in ascending order of position. It never returns a
	// message while one with a smaller position may still be committed, so that
	// a reader who continues after the last position it saw skips none. An
	// empty page means that the reader is at the head for now.
	ReadAll(ctx context.Context, after int64, limit int) ([]Message, error)

	// ReadStretch reads a range of the log as ReadAll does, and returns the
	// messages of some categories without fetching the others. It looks at
	// [MaxStretch] messages at most, so that a stretch can have no messages and
	// yet not be the end: a reader goes on after its Last. The stretch ends with
	// the last of Limit messages, if there are so many. A Limit below 1 gives the
	// zero Stretch.
	ReadStretch(ctx context.Context, r Range) (Stretch, error)

	// Head returns the last message that is committed, without its data.
	Head(ctx context.Context) (Head, error)

	// TimesAfter returns, for each of the positions, the time of the first
	// message after it, and the zero time where there is none.
	TimesAfter(ctx context.Context, positions []int64) ([]time.Time, error)
}

// Head is the end of a log.
type Head struct {
	// Position is that of the last committed message, 0 in an empty log.
	Position int64
	EventID  string
	Time     time.Time
	// Settled reports that no message with a smaller position can still be
	// committed. A reader who starts after Position then misses nothing that
	// commits from now on. In an empty log it says the same of positions that
	// are drawn already.
	Settled bool
}

// Watcher is implemented by stores that tell of their own appends. It is a
// wake-up for pollers in the same process, never the only way to learn of an
// append: other processes append as well.
type Watcher interface {
	// Watch returns a channel that is closed when an append of this store
	// value commits after the call. Take the channel first, look for work
	// second, wait third: then no append falls between.
	Watch() <-chan struct{}
}

// Bound is implemented by stores that write in a transaction of their caller,
// such as a backend's WithTx returns. A conflict there concerns the whole
// transaction, which is the caller's to run again, so that a repository over a
// bound store does not retry.
type Bound interface {
	Store

	// InTransaction does nothing. It marks the store.
	InTransaction()
}
