package eventustest

import (
	"fmt"
	"sync/atomic"
	"time"
)

// startOfTime is when everything happens in a scenario, and where a bubble of
// testing/synctest begins.
func startOfTime() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// Clock is a clock that stands still until it is told to go on, for
// [eventus.WithClock]. It is safe for concurrent use. Code that waits needs
// testing/synctest instead, where time itself stands still.
type Clock struct {
	since atomic.Int64
}

// Now returns the time of the clock: midnight of 2000-01-01 UTC, and what it
// was told to add.
func (c *Clock) Now() time.Time { return startOfTime().Add(time.Duration(c.since.Load())) }

// Advance makes the clock go on by d, which may be negative: clocks of machines
// go back too.
func (c *Clock) Advance(d time.Duration) { c.since.Add(int64(d)) }

// NewIDs returns a source of ids for [eventus.WithIDs]: the same ones in every
// run, in ascending order, in the form of UUIDv7 (RFC 9562). It is safe for
// concurrent use.
func NewIDs() func() string {
	var last atomic.Int64
	return func() string { return fmt.Sprintf("00000000-0000-7000-8000-%012x", last.Add(1)) }
}
