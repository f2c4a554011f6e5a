package store

import (
	"context"
	"time"
)

// Requests keeps what operators ask of consumers. A request is a row: any
// program with access to the database can ask, the members of the consumer find
// it, and the row stays as the record.
type Requests[Tx any] interface {
	// AddRequest stores r, which gets the next id and the current time and is
	// not done, whatever r says, and returns the id. [CheckRequest] says what is
	// refused.
	AddRequest(ctx context.Context, r Request) (id int64, err error)

	// PendingRequests returns the requests of a consumer that are not done, in
	// ascending order of id.
	PendingRequests(ctx context.Context, id ConsumerID) ([]Request, error)

	// FinishRequest stores what came of a request and when. It reports false,
	// and changes nothing, when the request is done already or does not
	// exist. A second transaction that finishes the same one blocks until tx
	// ends. Any text is accepted as outcome: a backend replaces what it cannot
	// carry (a NUL, broken UTF-8).
	FinishRequest(ctx context.Context, tx Tx, id int64, outcome string) (finished bool, err error)

	// ListRequests returns up to limit requests with an id below before, in
	// descending order of id. 0 starts at the last. With a name it returns only
	// those of the consumer.
	ListRequests(ctx context.Context, name string, before int64, limit int) ([]Request, error)
}

// Request is what an operator asks of a consumer, and what came of it.
type Request struct {
	ID       int64
	Consumer ConsumerID
	Action   Action
	Stream   Stream // of Redrive and Skip; the zero Stream means all, for Redrive
	Segments int    // of SetSegments
	NewName  string // of Rename
	Reason   string // why; Skip needs one
	Actor    string // who asks
	AskedAt  time.Time
	DoneAt   time.Time // zero until it is done
	Outcome  string    // what came of it, for people
}

// Action is what a [Request] asks for.
type Action string

const (
	Pause       Action = "pause"    // stop after the messages in hand
	Resume      Action = "resume"   // go on
	Redrive     Action = "redrive"  // try parked streams again at once
	Skip        Action = "skip"     // pass over the first message of a parked stream
	Rebuild     Action = "rebuild"  // empty the read model and start at the beginning
	SetSegments Action = "segments" // change the number of segments
	Rename      Action = "rename"   // give the consumer another name
	Remove      Action = "remove"   // forget the consumer
)

// MaxSegments is the most segments of a consumer.
const MaxSegments = 1024

// maxReason is the most bytes of a request's reason and actor.
const maxReason = 2 << 10

// CheckRequest reports what makes r unusable, as an [*InvalidError]. A field that
// the action has no use for must be zero.
func CheckRequest(r Request) error {
	if err := CheckConsumerID(r.Consumer); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{{"reason", r.Reason}, {"actor", r.Actor}} {
		if err := text(f.name, f.value, maxReason); err != nil {
			return err
		}
	}
	if r.Stream != (Stream{}) && r.Action != Redrive && r.Action != Skip {
		return invalid("stream", "%s is given, only a redrive and a skip have one", r.Stream)
	}
	if r.Segments != 0 && r.Action != SetSegments {
		return invalid("segments", "%d is given, only a change of segments has them", r.Segments)
	}
	if r.NewName != "" && r.Action != Rename {
		return invalid("new name", "%q is given, only a rename has one", r.NewName)
	}
	switch r.Action {
	case Pause, Resume, Rebuild, Remove:
	case Redrive:
		if r.Stream != (Stream{}) {
			return r.Stream.Check()
		}
	case Skip:
		if r.Reason == "" {
			return invalid("reason", "is empty: a skip needs one, because it stays on record")
		}
		return r.Stream.Check()
	case SetSegments:
		if r.Segments < 1 || r.Segments > MaxSegments {
			return invalid("segments", "%d, want 1 to %d", r.Segments, MaxSegments)
		}
	case Rename:
		return CheckConsumer(r.NewName)
	default:
		return invalid("action", "%q is not known", r.Action)
	}
	return nil
}
