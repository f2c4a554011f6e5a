package store

import (
	"errors"
	"fmt"
	"time"
)

// ErrConflict is matched by every [*ConflictError]. [Store.Append] returns it;
// nothing was written.
var ErrConflict = errors.New("conflict")

// ErrInvalid is matched by every [*InvalidError]. Every method that takes
// input from outside returns it; nothing was written.
var ErrInvalid = errors.New("invalid")

// ErrNewerSchema is returned by a backend's constructor or migration when the
// database was written by a newer Eventus. Nothing was written.
var ErrNewerSchema = errors.New("schema is newer than this program")

// ErrOutcomeUnknown is matched by the error of an append whose outcome the store
// could not find out: the connection was lost, or the context ended, while the
// events were on their way. They are stored, all or none. To find out which,
// repeat the append with the same expected version and the same event ids.
var ErrOutcomeUnknown = errors.New("the outcome is unknown: the events may or may not be stored")

// ErrBusy is matched by every [*BusyError]. Nothing was written.
var ErrBusy = errors.New("busy")

// BusyError means that an open transaction of somebody else has appended to the
// stream, and did not end while the append waited for it.
type BusyError struct {
	Stream Stream
	Waited time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s: an open transaction has appended to it and has not ended for %v", e.Stream, e.Waited.Round(time.Millisecond))
}

// Is reports whether target is [ErrBusy].
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// ConflictError tells that a stream was not at the version an append expected:
// somebody else was first, or the caller's version is stale. It is the one
// error for a lost race, from every backend and every path.
type ConflictError struct {
	Stream   Stream
	Expected Expected
	Actual   int64 // the version the stream had when the append was refused
	// Forked says that the stream had the expected version, but another event there
	// than Expected.EventID.
	Forked bool
}

func (e *ConflictError) Error() string {
	if e.Forked {
		return fmt.Sprintf("%s: expected event %s at version %d, have another one: the history was replaced, by a backup for example",
			e.Stream, e.Expected.EventID, e.Expected.Version)
	}
	return fmt.Sprintf("%s: expected version %d, have %d", e.Stream, e.Expected.Version, e.Actual)
}

// Is reports whether target is [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// InvalidError tells which part of the input the contract refuses, and why.
type InvalidError struct {
	Field  string // for example "stream id"
	Reason string // for example "10240 bytes, at most 512"
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }
