package eventustest

import "time"

// patience is how long a function may take with values that are made up: an
// Apply that counts from one of them to the other may never come to an end.
const patience = time.Second

// guarded runs f in a goroutine, without its panic, and reports whether it came
// to an end in time. One that does not is left behind, with what it uses. In a
// bubble of testing/synctest time does not pass meanwhile, so that it waits.
func guarded(f func()) (ended bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = recovered(f)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
