package broker

import (
	"errors"
	"fmt"
)

// ErrRefused is what errors.Is finds in an error of [Publisher.Publish] about a
// message that the broker will never take as it is.
var ErrRefused = errors.New("message is refused")

// RefusedError is a message that the broker will never take as it is: it is too
// large, or [Message.Check] refuses it. Trying again does not help before the
// broker's limits are raised.
type RefusedError struct {
	Index int    // of the message among those of the call
	ID    string // of the message
	Err   error  // why, and what to do
}

func (e *RefusedError) Error() string { return fmt.Sprintf("message %q is refused: %v", e.ID, e.Err) }

func (e *RefusedError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// CheckAll reports the first of messages that [Message.Check] refuses, as a
// [*RefusedError]. Every backend calls it in Publish before it sends the first.
func CheckAll(messages []Message) error {
	for i := range messages {
		if err := messages[i].Check(); err != nil {
			return &RefusedError{Index: i, ID: messages[i].ID, Err: err}
		}
	}
	return nil
}
