package store

import (
	"errors"
	"fmt"
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

// ConflictError tells that a stream was not at the version an append expected:
// somebody else was first, or the caller's version is stale. It is the one
// error for a lost race, from every backend and every path.
type ConflictError struct {
	Stream   Stream
	Expected Expected
	Actual   int64 // the version the stream had when the append was refused
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: expected version %d, have %d", e.Stream, e.Expected, e.Actual)
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
