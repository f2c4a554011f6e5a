package consume

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/store"
)

// ReceiverState is what can be seen of a receiver. The numbers of messages are
// those of this process since it made the receiver.
type ReceiverState struct {
	Received     int64 // messages that the broker delivered
	Handled      int64 // messages that took effect
	Duplicates   int64 // messages that had taken effect before
	Strangers    int64 // messages of another source or history, dropped
	UnknownTypes int64 // messages of types that a foreign table does not declare, passed by
	Queued       int64 // messages that were put into the inbox to wait
	Unusable     int64 // messages that became dead letters
	Left         int64 // messages that were left to the broker for want of room

	// Waiting is how many messages wait in the inbox, and Parked the number of
	// streams that do not flow, by reason. They are those of the consumer in all
	// processes, a few seconds old.
	Waiting int64
	Parked  map[store.Reason]int64
	Oldest  time.Time // when the first of the streams stopped flowing; zero when all flow

	// Degraded says that the inbox has no room for messages that wait, and what
	// to do. Empty when all is well.
	Degraded string
}

// State returns what can be seen of the receiver. It reads no database.
func (r *Receiver[Tx, E]) State() ReceiverState {
	t := &r.tally
	s := ReceiverState{
		Received: t.received.Load(), Handled: t.handled.Load(), Duplicates: t.duplicates.Load(), Strangers: t.strangers.Load(),
		UnknownTypes: t.unknownTypes.Load(), Queued: t.queued.Load(), Unusable: t.unusable.Load(), Left: t.left.Load(),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Waiting, s.Oldest, s.Degraded = t.counts.Messages+t.added, t.counts.Oldest, t.degraded
	s.Parked = make(map[store.Reason]int64, len(t.counts.Streams))
	for reason, n := range t.counts.Streams {
		s.Parked[reason] = n
	}
	return s
}

// tally counts what happens, for [ReceiverState].
type tally struct {
	received, handled, duplicates, strangers, unknownTypes, queued, unusable, left atomic.Int64

	mu       sync.Mutex
	seen     map[string]int // names that were logged, or how many of their kind
	counts   store.QueueCounts
	added    int64 // messages that were queued since counts were read
	degraded string
	leftAt   time.Time // when a message was last left to the broker
}

// maxFirst is how many names of a kind are logged. Whoever invents more of them
// fills neither the log nor the memory.
const maxFirst = 100

// first reports whether a name of a kind is new, and worth a line in the log.
func (t *tally) first(kind, name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = make(map[string]int)
	}
	if t.seen[kind] >= maxFirst || t.seen[kind+"\x00"+name] > 0 {
		return false
	}
	t.seen[kind]++
	t.seen[kind+"\x00"+name]++
	return true
}

// room returns how many messages the inbox has room for.
func (t *tally) room(most int) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(most) - t.counts.Messages - t.added
}

func (t *tally) add(queued int64) {
	t.queued.Add(queued)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.added += queued
}

func (t *tally) setCounts(counts store.QueueCounts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts, t.added = counts, 0
}

// leave notes that messages were left to the broker, and reports whether that is
// news.
func (t *tally) leave(n int64, why string) (news bool) {
	t.left.Add(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	news = t.degraded == ""
	t.degraded, t.leftAt = why, time.Now()
	return news
}

// recover ends the degraded state when no message was left for a while, and
// reports whether it did.
func (t *tally) recover() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.degraded == "" || time.Since(t.leftAt) < 2*longestLeave {
		return false
	}
	t.degraded = ""
	return true
}
