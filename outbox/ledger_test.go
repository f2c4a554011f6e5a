package outbox_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

// ledger is a broker with three places for each topic, which loses what it is
// told to lose. It drops a message whose ID it has.
type ledger struct {
	mu      sync.Mutex
	kept    []entry
	next    int              // sequence
	newest  map[string]entry // what lies last of what was confirmed, by place
	maxAge  time.Duration
	session uint64
	fail    func(n int) (arrive, confirm int, err error)
	refuses func(store.Message) bool
	midway  func() // called before a message arrives
	calls   int
	owners  map[string]string
}

// entry is a message and its sequence.
type entry struct {
	broker.Message
	sequence int
}

func newLedger() *ledger {
	return &ledger{owners: make(map[string]string), newest: make(map[string]entry)}
}

// cut loses the end after the first n messages, and counts on from there.
func (l *ledger) cut(n int) {
	l.kept, l.next = l.kept[:n], 0
	if n > 0 {
		l.next = l.kept[n-1].sequence
	}
	l.reconnect()
}

func (l *ledger) reconnect() {
	l.session++
	clear(l.newest)
}

// purge takes messages away as an operator does: sequences go on.
func (l *ledger) purge(gone func(entry) bool) { l.kept = slices.DeleteFunc(l.kept, gone) }

func (l *ledger) at(place string) func(entry) bool {
	return func(m entry) bool { return l.Place(m.Topic, m.Key) == place }
}

func (l *ledger) Newest(place string) (id, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m, ok := l.newest[place]; ok {
		return m.ID, fmt.Sprint(m.sequence)
	}
	return "", ""
}

func (l *ledger) Find(_ context.Context, place, token string) (broker.Message, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.kept {
		if fmt.Sprint(m.sequence) == token {
			return m.Message, l.Place(m.Topic, m.Key) == place, nil
		}
	}
	return broker.Message{}, false, nil
}

func (l *ledger) Publish(_ context.Context, messages []broker.Message) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	arrive, confirm, err := len(messages), len(messages), error(nil)
	if l.fail != nil {
		arrive, confirm, err = l.fail(len(messages))
	}
	for i, m := range messages[:arrive] {
		e, broken := cloudevents.Decode(m)
		if broken != nil {
			return 0, broken
		}
		if l.refuses != nil && l.refuses(e.Message) {
			return min(i, confirm), &broker.RefusedError{Index: i, ID: m.ID, Err: errTooLarge}
		}
		if l.midway != nil {
			l.midway()
		}
		kept := slices.IndexFunc(l.kept, func(k entry) bool { return k.ID == m.ID })
		if kept < 0 {
			kept, l.next = len(l.kept), l.next+1
			l.kept = append(l.kept, entry{m, l.next})
		}
		if place := l.Place(m.Topic, m.Key); i < confirm && l.kept[kept].sequence > l.newest[place].sequence {
			l.newest[place] = l.kept[kept]
		}
	}
	return confirm, err
}

func (l *ledger) Place(topic, key string) string {
	h := fnv.New32a()
	h.Write([]byte(key))
	return fmt.Sprint(topic, " ", h.Sum32()%3)
}

func (l *ledger) Last(_ context.Context, topic string) (broker.Tail, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := broker.Tail{Messages: make(map[string]broker.Message), MaxAge: l.maxAge}
	for _, m := range l.kept {
		if m.Topic == topic {
			tail.Messages[l.Place(m.Topic, m.Key)] = m.Message
		}
	}
	return tail, nil
}

func (l *ledger) Session() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

func (l *ledger) Claim(_ context.Context, topic, history string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if owner := l.owners[topic]; owner != "" && owner != history {
		return &broker.OwnedError{Topic: topic, Owner: owner, Claimant: history}
	}
	l.owners[topic] = history
	return nil
}

func (l *ledger) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// holds fails unless the first copies of each stream's messages are there,
// complete and in order.
func (l *ledger) holds(t *testing.T, want map[string]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &wire{}
	for _, m := range l.kept {
		e, err := cloudevents.Decode(m.Message)
		if err != nil {
			t.Fatal(err)
		}
		w.arrived = append(w.arrived, e.Message)
		if before := e.Version - 1; before > 0 && e.Previous == "" {
			t.Errorf("%s version %d does not say what came before", e.Stream, e.Version)
		}
	}
	w.firstCopies(t, want)
}

// completes fails unless each message is there. What is published after a purge,
// before the audit has seen it, comes before what is repeated.
func (l *ledger) completes(t *testing.T, want map[string]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[string]bool)
	for _, m := range l.kept {
		e, err := cloudevents.Decode(m.Message)
		if err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprint(e.Stream.ID, " ", e.Version)] = true
	}
	for id, n := range want {
		for v := int64(1); v <= n; v++ {
			if !seen[fmt.Sprint(id, " ", v)] {
				t.Errorf("stream %s: version %d is missing", id, v)
			}
		}
	}
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kept)
}
