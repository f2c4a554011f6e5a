package store

import (
	"context"
	"time"
)

// ParkedStreams keeps the streams that a consumer has set aside: the messages
// from Version on wait in the log for their turn. A stream that flows has no row.
type ParkedStreams[Tx any] interface {
	// SetParked stores p, replacing the row of the same consumer and stream.
	// NextTry is set to retryAfter from now. A row that exists keeps its Since.
	// Any text is accepted as Error: a backend replaces what it cannot carry (a
	// NUL, broken UTF-8).
	SetParked(ctx context.Context, tx Tx, p Parked, retryAfter time.Duration) error

	// DeleteParked removes the row of a stream. Removing none is not an error.
	DeleteParked(ctx context.Context, tx Tx, id ConsumerID, s Stream) error

	// FindParked returns the rows of those of the streams that are parked, in
	// no certain order. It locks the rows until tx ends.
	FindParked(ctx context.Context, tx Tx, id ConsumerID, streams []Stream) ([]Parked, error)

	// DueParked returns up to limit rows that are retried by themselves
	// ([Reason.Retries]), whose NextTry has come, and whose Hash modulo segments
	// is segment, in ascending order of NextTry.
	DueParked(ctx context.Context, id ConsumerID, segment, segments, limit int) ([]Parked, error)

	// ListParked returns up to limit rows of a consumer in ascending order of
	// category and id (compared byte by byte), after the given stream. The zero
	// Stream starts at the first.
	ListParked(ctx context.Context, id ConsumerID, after Stream, limit int) ([]Parked, error)

	// CountParked counts the parked streams of consumers by their reason, of all
	// consumers when no ids are given.
	CountParked(ctx context.Context, ids ...ConsumerID) (map[ConsumerID]map[Reason]ParkedCount, error)

	// RedriveParked makes rows waiting and due at once, with no attempts
	// counted, and returns how many. With the zero Stream it takes all streams
	// of the consumer except those that are forked: a forked stream is redriven
	// only when it is named.
	RedriveParked(ctx context.Context, tx Tx, id ConsumerID, s Stream) (int64, error)

	// RetryParked makes rows of a segment, as in DueParked, due at once, and
	// returns how many: those that are unknown, and those that are waiting until
	// more than longest from now. Nothing else of the rows changes.
	RetryParked(ctx context.Context, tx Tx, id ConsumerID, segment, segments int, longest time.Duration) (int64, error)
}

// Parked is a stream that a consumer has set aside.
type Parked struct {
	Consumer ConsumerID
	Stream   Stream
	// Hash is the stream's hash, which decides on its segment.
	Hash uint32
	// Version is the first that is not done, Position its place in the log, and
	// EventID the id of that event. An empty EventID is not known yet.
	Version  int64
	Position int64
	EventID  string
	Reason   Reason
	Error    string
	Attempts int
	NextTry  time.Time
	Since    time.Time // when the stream was parked
}

// ParkedCount is how many streams are parked, and since when the oldest is.
type ParkedCount struct {
	Streams int64
	Oldest  time.Time
}

// Reason says why a stream is parked.
type Reason string

const (
	// Waiting streams have failed and are tried again at NextTry.
	Waiting Reason = "waiting"
	// Unknown streams have an event that this program does not know or cannot
	// decode. They are tried again at NextTry, and by the next program.
	Unknown Reason = "unknown"
	// Poison streams have failed too often. They wait for a redrive or a skip.
	Poison Reason = "poison"
	// Forked streams do not have the history that the consumer has followed.
	Forked Reason = "forked"
)

// Retries reports whether a stream parked for this reason is tried again by
// itself.
func (r Reason) Retries() bool { return r == Waiting || r == Unknown }
