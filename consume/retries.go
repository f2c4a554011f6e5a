package consume

import (
	"errors"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/sethvargo/go-retry"
)

// maxRetries bounds the streams that wait for a retry at one time. So many mean
// that the handler fails for all of them, and the runner pauses as a whole.
const maxRetries = 1000

var errTooManyRetries = errors.New("1000 streams wait for a retry")

// retries holds the streams that are between two attempts.
type retries map[store.Stream]*attempts

type attempts struct {
	version int64 // of the message that fails
	count   int   // failed attempts, but for passing trouble with the database
	until   time.Time
	pauses  retry.Backoff
}

// blocks reports whether the stream's next attempt is still ahead.
func (r retries) blocks(s store.Stream, now time.Time) bool {
	a, ok := r[s]
	return ok && now.Before(a.until)
}

// left returns the time until the stream's next attempt, at least 1 ms.
func (r retries) left(s store.Stream, now time.Time) time.Duration {
	left := time.Millisecond
	if a, ok := r[s]; ok {
		left = max(left, a.until.Sub(now))
	}
	return left
}

// soonest returns the time of the next attempt of any stream.
func (r retries) soonest() (soonest time.Time, ok bool) {
	for _, a := range r {
		if !ok || a.until.Before(soonest) {
			soonest, ok = a.until, true
		}
	}
	return soonest, ok
}

// failed returns the attempts at a message, of which one has just failed.
func (r retries) failed(m *store.Message, policy Retry, now time.Time) (*attempts, error) {
	if a, ok := r[m.Stream]; ok && a.version == m.Version {
		return a, nil
	}
	if len(r) >= maxRetries {
		r.prune(now.Add(-policy.MaxDelay))
	}
	if len(r) >= maxRetries {
		return nil, errTooManyRetries
	}
	a := &attempts{version: m.Version, pauses: policy.pauses()}
	r[m.Stream] = a
	return a, nil
}

// done forgets a stream when the message that failed is done. A repeated earlier
// one is not: it must not give the failing one new chances.
func (r retries) done(m *store.Message) {
	if a, ok := r[m.Stream]; ok && m.Version >= a.version {
		delete(r, m.Stream)
	}
}

// due returns the messages whose next attempt is due, by stream and version.
func (r retries) due(now time.Time) []store.Message {
	var due []store.Message
	for s, a := range r {
		if !now.Before(a.until) {
			due = append(due, store.Message{Stream: s, Version: a.version})
		}
	}
	return due
}

// postpone puts the next attempt off: the message is not to be had.
func (r retries) postpone(m *store.Message, now time.Time) {
	if a, ok := r[m.Stream]; ok {
		pause, _ := a.pauses.Next()
		a.until = now.Add(pause)
	}
}

// prune forgets the streams whose retry was due before a time and did not come:
// another member of the consumer has handled them.
func (r retries) prune(before time.Time) {
	for s, a := range r {
		if a.until.Before(before) {
			delete(r, s)
		}
	}
}
