package consume

import (
	"fmt"
	"time"

	"github.com/sethvargo/go-retry"
)

// Retry says how often and how soon a message that failed is tried again. The
// zero value is ready for use.
type Retry struct {
	// MaxAttempts is how many failures make a message poison. Attempts are kept
	// in the database and outlive the process. Not counted: passing trouble with
	// the database, a lost race ([store.ErrConflict]), damage that the handler has
	// met ([store.ErrDamaged]), and what the handler calls [Transient]. Default 10,
	// which takes about a minute.
	MaxAttempts int
	// BaseDelay is the pause before the second attempt. It doubles for each
	// further one. Default 100 ms.
	BaseDelay time.Duration
	// MaxDelay is the longest pause. Default 30 s.
	MaxDelay time.Duration
}

// withDefaults panics on values that no retry can have.
func (r Retry) withDefaults() Retry {
	if r.MaxAttempts < 0 || r.BaseDelay < 0 || r.MaxDelay < 0 {
		panic(fmt.Sprintf("consume: Retry has a negative value: %+v; 0 means the default", r))
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 10
	}
	if r.BaseDelay == 0 {
		r.BaseDelay = 100 * time.Millisecond
	}
	if r.MaxDelay == 0 {
		r.MaxDelay = 30 * time.Second
	}
	return r
}

// delay returns the pause after a number of failed attempts.
func (r Retry) delay(attempts int) time.Duration {
	d := r.BaseDelay
	for range attempts - 1 {
		if d >= r.MaxDelay/2 {
			return r.MaxDelay
		}
		d *= 2
	}
	return min(d, r.MaxDelay)
}

func (r Retry) pauses() retry.Backoff {
	return retry.WithCappedDuration(r.MaxDelay, retry.WithJitterPercent(10, retry.NewExponential(r.BaseDelay)))
}
