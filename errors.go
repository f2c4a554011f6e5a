package eventus

import (
	"errors"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

var (
	// ErrConflict is matched by every [*ConflictError]: another writer was
	// first, or the caller's version is stale. Returned by [Repository.Save],
	// and by [Repository.Update] after its last try or for a version given by
	// [Expect]. Nothing was written.
	ErrConflict = store.ErrConflict

	// ErrInvalid is matched by every [*InvalidError]: an id, a name or an event
	// that no store takes. Returned by every method of [Repository]. Nothing
	// was written.
	ErrInvalid = store.ErrInvalid

	// ErrOutcomeUnknown means that the events may or may not be stored, all or
	// none, because the connection was lost while they were on their way, and could
	// not be had again. Returned by [Repository.Save] and [Repository.Update].
	ErrOutcomeUnknown = store.ErrOutcomeUnknown

	// ErrNotFound tells that an aggregate has no events, or not yet at the
	// version or time asked for. Returned by [Repository.Load],
	// [Repository.LoadVersion] and [Repository.LoadAsOf].
	ErrNotFound = errors.New("not found")

	// ErrUnknownEvent tells that an event's type is not in the definition:
	// recorded without a Type line, or stored by a newer release. It comes from
	// [EventTable.Encode], and within a [*DecodeError] from every load.
	ErrUnknownEvent = errors.New("unknown event type")
)

// DecodeError tells which stored event cannot be read. The event is intact in
// the store; a definition that knows its type and form reads it.
type DecodeError struct {
	Stream  Stream
	Version int64
	Type    string
	Err     error // [ErrUnknownEvent], or the codec's
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s, version %d, type %q: %v", e.Stream, e.Version, e.Type, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }
