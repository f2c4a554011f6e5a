package broker

import (
	"context"
	"errors"
	"fmt"
)

// Owner is implemented by brokers that know which history a topic belongs to.
// Two stores that publish under one topic would mix two histories there, and no
// reader could tell which event follows which.
type Owner interface {
	// Claim makes topic the property of a history, or confirms that it is. It is
	// atomic: of several histories that claim a free topic at one time, one gets
	// it. A topic of another history gives an [*OwnedError]. What is claimed is
	// kept with the messages of the topic, and goes away with them.
	Claim(ctx context.Context, topic, history string) error
}

// ErrOwned is what errors.Is finds in the error of [Owner.Claim] for a topic of
// another history.
var ErrOwned = errors.New("topic belongs to another store")

// OwnedError names the history that owns the topic that was claimed.
type OwnedError struct {
	Topic    string
	Owner    string // the history that has it
	Claimant string // the history that wants it
	Cure     string // what to do
}

func (e *OwnedError) Error() string {
	return fmt.Sprintf("topic %q belongs to the store with the history %s, and this store has the history %s: %s",
		e.Topic, e.Owner, e.Claimant, e.Cure)
}

// Is reports whether target is [ErrOwned].
func (e *OwnedError) Is(target error) bool { return target == ErrOwned }
