package outbox

import (
	"slices"
	"time"
)

// State is what can be seen of a relay.
type State struct {
	// LastTurn is when the relay last finished a look for work, a page of messages,
	// or an attempt that failed. It does one of them every few seconds: a relay
	// whose last turn was minutes ago hangs. Zero before the first.
	LastTurn time.Time
	// Leader says that this relay publishes. One that stands by does not.
	Leader bool
	// Position is up to where all messages were published when the relay last
	// looked, those apart that wait ([store.Outbox]'s Refused lists them).
	Position int64
	// Published counts the messages that the broker has confirmed to this relay,
	// repetitions included.
	Published int64
	// Err is why the relay pauses. It is nil while all goes well.
	Err error
	// Audit is the result of the comparisons of the broker with the store.
	Audit Audit
}

// Audit is the result of a relay's comparisons of the broker with the store since
// Run was called.
type Audit struct {
	// Time is when the last one ended. Zero before the first.
	Time time.Time
	// Behind counts the messages that the broker had lost and that were published
	// again.
	Behind int64
	// Ahead are the places of the broker that had an event which the store does
	// not have: an older backup of the store was restored, or somebody forged it.
	Ahead []string
	// Foreign are the places of the broker whose last message is not of this
	// store. They could not be compared.
	Foreign []string
}

// State returns the state of the relay. It is safe for concurrent use and does
// not ask the store or the broker.
func (r *Relay) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state
	s.Audit.Ahead, s.Audit.Foreign = slices.Clone(s.Audit.Ahead), slices.Clone(s.Audit.Foreign)
	return s
}

// note changes what State returns.
func (r *Relay) note(change func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.LastTurn = time.Now()
	change(&r.state)
}
