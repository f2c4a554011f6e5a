package store

import (
	"context"
	"time"
)

// Leases lets one of several processes do what only one should do at a time,
// such as relaying an outbox, while the others stand by. Stores of one process
// need not implement it.
//
// A lease is a promise about time, not a lock: a holder that was paused may go
// on for a moment after its lease has passed to another. What is done under a
// lease must be harmless when done twice.
type Leases interface {
	// Acquire takes the lease of that name for holder, or renews it, for ttl from
	// now by the store's clock, and reports whether holder has it. It does not
	// wait for another holder's lease to end. It is atomic: of several holders
	// that ask at one time, one gets it.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (held bool, err error)

	// Release ends the lease if holder has it, so that another need not wait for
	// its time to pass.
	Release(ctx context.Context, name, holder string) error
}
