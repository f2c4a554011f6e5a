package store

import (
	"context"
	"errors"
	"time"
)

// Consumers keeps how far the consumers of a log have come, in the database
// that their handlers write to. Package consume holds the logic; a backend
// stores rows.
//
// A consumer has one row, a row for each of its segments, a row for each process
// that works on it, a row for each stream that is in trouble, and a row for each
// request of an operator. Nothing grows with the number of streams or events.
//
// All times are those of the database's clock. A name that [CheckConsumer]
// refuses is an [*InvalidError].
type Consumers[Tx any] interface {
	Transactions[Tx]
	ParkedStreams[Tx]
	Requests[Tx]

	// CreateConsumer stores a consumer with its segments, and reports false
	// when there is one of that name and generation already. A second
	// transaction that creates the same one blocks until tx ends.
	CreateConsumer(ctx context.Context, tx Tx, c Consumer) (created bool, err error)

	// LockConsumer returns a consumer with its segments and members, and the
	// database's time. It locks them until tx ends: other calls for the
	// consumer, and [Consumers.Advance] for its segments, block. It returns what
	// was committed when it got the locks, or [ErrNoConsumer].
	LockConsumer(ctx context.Context, tx Tx, id ConsumerID) (c Consumer, now time.Time, err error)

	// SaveConsumer replaces a consumer with its segments and members. The
	// caller has locked it in tx.
	SaveConsumer(ctx context.Context, tx Tx, c Consumer) error

	// RenameConsumer gives the consumer, its segments, parked streams and
	// requests another name. The old name keeps a row whose RenamedTo is name,
	// without segments and members. It returns [ErrNoConsumer], and
	// [ErrConsumerExists] when the new name is taken.
	RenameConsumer(ctx context.Context, tx Tx, id ConsumerID, name string) error

	// DeleteConsumer removes the consumer, its segments, members and parked
	// streams. Its requests stay as a record. Deleting one that is not there is
	// not an error.
	DeleteConsumer(ctx context.Context, tx Tx, id ConsumerID) error

	// ListConsumers returns all consumers in ascending order of name and
	// generation, those without segments included, as one consistent view, and
	// the database's time. It locks nothing and waits for nobody. With ids it
	// returns only those, as far as they exist.
	ListConsumers(ctx context.Context, ids ...ConsumerID) (consumers []Consumer, now time.Time, err error)

	// Advance moves a segment to a new place and sets the end of its lease to
	// lease from now. It returns [ErrClaimLost], and changes nothing, unless the
	// segment still has the epoch and the position of the claim.
	//
	// It locks the segment until tx ends. Call it last, so that the lock is
	// short.
	Advance(ctx context.Context, tx Tx, claim Claim, to Progress, lease time.Duration) error
}

// ErrNoConsumer is returned by methods of [Consumers] for a consumer that does
// not exist. Nothing was written.
var ErrNoConsumer = errors.New("no such consumer")

// ErrConsumerExists is returned by [Consumers.RenameConsumer] when the new name
// is taken. Nothing was written.
var ErrConsumerExists = errors.New("the consumer exists already")

// ErrClaimLost is returned by [Consumers.Advance] when the segment belongs to
// another member by now, or was moved by somebody else. Roll the transaction
// back.
var ErrClaimLost = errors.New("the claim on the segment is lost")

// ConsumerID names a consumer of the log. Generations are versions of one read
// model that are built side by side; most consumers have generation 0 only.
type ConsumerID struct {
	Name       string
	Generation int
}

// Consumer is what the store keeps of a consumer.
type Consumer struct {
	ConsumerID
	Categories []string // in ascending order
	Start      string   // where it began, for people: "beginning", "now" or a time
	CreatedAt  time.Time
	Paused     bool
	// RenamedTo is the new name of a consumer that was renamed; empty for all
	// others.
	RenamedTo string
	// MeetAt is the position at which all segments stop before their number
	// changes to NextSegments. 0 when no change is under way.
	MeetAt       int64
	NextSegments int
	// Rebuild is the id of the request for a rebuild that is under way: no
	// segment may be claimed until it is done. 0 when there is none.
	Rebuild int64

	Segments []Segment // in order of their index, from 0
	Members  []Member  // in ascending order of name
}

// Segment is one share of a consumer's streams: those whose hash falls to it.
type Segment struct {
	Progress
	// Owner is the member that works on the segment, empty when it was given
	// back.
	Owner string
	// Epoch counts the claims on the segment. Only the last claim can advance it.
	Epoch      int64
	LeaseUntil time.Time
}

// Progress is how far a segment has come.
type Progress struct {
	// Position is that of the last message that is done with, or passed by. 0
	// before the first.
	Position int64
	// EventID is the id of the event at Position, which proves that the log is
	// still the same one. Empty at position 0.
	EventID string
	// Trying is the position of a message that is tried alone after a process
	// ended without giving the segment back, and Tries is how often it was tried
	// so. Both are 0 otherwise.
	Trying int64
	Tries  int
	// Forked says why the log is not the one that the segment has followed.
	// Empty when all is well.
	Forked string
}

// Claim proves that a member may advance a segment.
type Claim struct {
	Consumer ConsumerID
	Segment  int
	Epoch    int64
	Position int64 // where the segment stands
}

// Member is a process that works on a consumer.
type Member struct {
	Name    string // unique
	Program string // the program it runs in, for people
	Until   time.Time
}

// CheckConsumerID reports what makes id unusable. The name has the characters of
// a category, and the generation is not negative.
func CheckConsumerID(id ConsumerID) error {
	if err := CheckConsumer(id.Name); err != nil {
		return err
	}
	if id.Generation < 0 {
		return invalid("generation", "%d, want 0 or more", id.Generation)
	}
	return nil
}
