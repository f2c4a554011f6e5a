// Package pause is how the long-lived loops wait.
package pause

import (
	"context"
	"time"

	"github.com/sethvargo/go-retry"
)

// Longest is the longest pause between two tries of a loop that fails.
const Longest = 5 * time.Second

// AfterFailures returns the pauses of a loop after failures in a row: 50 ms,
// doubled for each, up to [Longest].
func AfterFailures() retry.Backoff {
	return retry.WithCappedDuration(Longest, retry.NewExponential(50*time.Millisecond))
}

// Wait returns after d, or sooner when ctx ends or wake is closed. A nil wake
// never is.
func Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}
