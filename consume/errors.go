package consume

import (
	"errors"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// ErrGap is matched by every [*GapError].
var ErrGap = errors.New("gap")

// GapError tells that a message came before an earlier one of its stream.
// Returned by [Once.Handle]; nothing was handled.
type GapError struct {
	Stream  store.Stream
	Want    int64 // the version that is next
	Version int64 // the version that came
}

func (e *GapError) Error() string {
	return fmt.Sprintf("%s: version %d came before version %d", e.Stream, e.Version, e.Want)
}

// Is reports whether target is [ErrGap].
func (e *GapError) Is(target error) bool { return target == ErrGap }

// ErrParked means that a stream is parked for the consumer, so that later messages
// cannot be handled yet. Returned by [Once.Handle]; nothing was handled.
var ErrParked = errors.New("the stream is parked; redrive it, or skip its first message")

// ErrForked means that a message belongs to another history than the one that the
// consumer has followed: it has another id than the event that took effect at its
// version. Returned by [Once.Handle]; nothing was handled. A rebuild of the
// consumer cures it.
var ErrForked = errors.New("the message belongs to another history; rebuild the consumer")

// Permanent marks an error of a handler as one that no retry can cure: the
// message is parked at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Transient marks an error of a handler as passing: a service that is down for
// a while. The message is tried again for as long as it takes, and its stream
// waits. Transient(nil) is nil.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return &transientError{err}
}

type transientError struct{ err error }

func (e *transientError) Error() string { return e.err.Error() }
func (e *transientError) Unwrap() error { return e.err }

// transient reports whether the handler said that an error is passing.
func transient(err error) bool {
	var t *transientError
	return errors.As(err, &t)
}

// permanent reports whether the handler said that a retry is of no use.
func permanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// failure is an error of the handler or the decoder. Other errors of a
// transaction are the database's.
type failure struct{ err error }

func (e *failure) Error() string { return e.err.Error() }
func (e *failure) Unwrap() error { return e.err }
