package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// ledger is a broker with three places for each topic, which loses what it is
// told to lose. It drops a message whose ID it has.
type ledger struct {
	mu      sync.Mutex
	kept    []entry
	next    int            // sequence
	tokens  map[string]int // sequence of the last, by place
	maxAge  time.Duration
	session uint64
	fail    func(n int) (arrive, confirm int, err error)
	refuses func(store.Message) bool
	calls   int
	owners  map[string]string
}

// entry is a message and its sequence.
type entry struct {
	broker.Message
	sequence int
}

func newLedger() *ledger {
	return &ledger{owners: make(map[string]string), tokens: make(map[string]int)}
}

// cut loses the end after the first n messages, and counts on from there.
func (l *ledger) cut(n int) {
	l.kept, l.next = l.kept[:n], 0
	if n > 0 {
		l.next = l.kept[n-1].sequence
	}
	l.session++
}

// purge takes messages away as an operator does: sequences go on.
func (l *ledger) purge(gone func(entry) bool) { l.kept = slices.DeleteFunc(l.kept, gone) }

func (l *ledger) at(place string) func(entry) bool {
	return func(m entry) bool { return l.Place(m.Topic, m.Key) == place }
}

func (l *ledger) Token(place string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.tokens[place])
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
			return i, &broker.RefusedError{Index: i, ID: m.ID, Err: errTooLarge}
		}
		i := slices.IndexFunc(l.kept, func(k entry) bool { return k.ID == m.ID })
		if i < 0 {
			i, l.next = len(l.kept), l.next+1
			l.kept = append(l.kept, entry{m, l.next})
		}
		l.tokens[l.Place(m.Topic, m.Key)] = l.kept[i].sequence
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

func fill(t *testing.T, s *memory.Store, n int) map[string]int64 {
	want := make(map[string]int64)
	for i := range n {
		id := fmt.Sprint(i % 5)
		add(t, s, id)
		want[id]++
	}
	return want
}

func TestWhatTheBrokerHasLostIsPublishedAgain(t *testing.T) {
	for name, lose := range map[string]func(*ledger){
		"all":                func(l *ledger) { l.cut(0) },
		"the tail":           func(l *ledger) { l.cut(len(l.kept) - 7) },
		"the last":           func(l *ledger) { l.cut(len(l.kept) - 1) },
		"all by a purge":     func(l *ledger) { l.purge(func(entry) bool { return true }) },
		"a place by a purge": func(l *ledger) { l.purge(l.at(l.Place("tick", "1"))) },
	} {
		for when, act := range map[string]func(l *ledger, restart func()){
			"by the next audit":         func(*ledger, func()) { settle(time.Minute) },
			"at the start":              func(_ *ledger, restart func()) { restart(); settle(time.Second) },
			"after a reconnect":         func(l *ledger, _ func()) { l.change(func() { l.session++ }); settle(time.Second) },
			"after a failed publishing": nil,
		} {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, l := memory.New(), newLedger()
					want := fill(t, s, 40)
					relay := outbox.New(s, l, outbox.Config{BatchSize: 3})
					stop := run(t, relay)
					settle(time.Second)
					l.change(func() { lose(l) })
					if act != nil {
						act(l, func() { stop(); stop = run(t, relay) })
					} else {
						l.change(func() { l.fail = func(int) (int, int, error) { return 0, 0, errBroken } })
						add(t, s, "1")
						want["1"]++
						settle(10 * time.Millisecond)
						l.change(func() { l.fail = nil })
						settle(time.Second)
					}
					stop()
					l.holds(t, want)
					if a := relay.State().Audit; a.Behind == 0 || a.Time.IsZero() || len(a.Ahead)+len(a.Foreign) != 0 {
						t.Errorf("the audit says %+v", a)
					}
				})
			})
		}
	}
}

// Messages that the broker drops by its own retention are not lost, and what it
// has is not published again.
func TestNothingIsPublishedAgainWithoutALoss(t *testing.T) {
	for name, change := range map[string]func(*ledger){
		"nothing happens": func(*ledger) {},
		"the front is purged": func(l *ledger) {
			l.change(func() { l.kept = l.kept[len(l.kept)-8:] })
		},
		"all is older than the broker keeps": func(l *ledger) {
			l.change(func() { l.maxAge = time.Hour })
			settle(time.Hour)
			l.change(func() { l.kept = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := memory.New(), newLedger()
				fill(t, s, 40)
				relay := outbox.New(s, l, outbox.Config{})
				stop := run(t, relay)
				settle(time.Second)
				change(l)
				n := l.len()
				settle(time.Hour)
				stop()
				defer run(t, relay)()
				settle(time.Hour)
				if l.len() != n || relay.State().Audit.Behind != 0 {
					t.Errorf("%d messages, was %d; %+v", l.len(), n, relay.State().Audit)
				}
			})
		})
	}
}

// Messages that are older than the broker keeps are not published again when it
// has lost younger ones.
func TestWhatTheBrokerWouldDropIsNotPublishedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memory.New(), newLedger()
		l.maxAge = time.Hour
		relay := outbox.New(s, l, outbox.Config{})
		defer run(t, relay)()
		fill(t, s, 20)
		settle(2 * time.Hour)
		fill(t, s, 5)
		settle(time.Second)
		l.change(func() { l.kept = nil })
		settle(2 * time.Minute)
		if l.len() != 5 || relay.State().Audit.Behind != 5 {
			t.Errorf("%d messages, want the last 5; %+v", l.len(), relay.State().Audit)
		}
	})
}

// Seeded schedules of appends, failures, refusals, losses, crashes and restarts.
// At the end the broker holds all.
func TestTheAuditHealsWhateverIsLost(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random, brokerRandom := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			s, l := memory.New(), newLedger()
			bad := make(map[string]bool)
			flaky := func(n int) (int, int, error) {
				if brokerRandom.IntN(5) > 0 {
					return n, n, nil
				}
				arrive := brokerRandom.IntN(n + 1)
				return arrive, brokerRandom.IntN(arrive + 1), errBroken
			}
			l.fail = flaky
			purged := false
			l.refuses = func(m store.Message) bool { return bad[fmt.Sprint(m.Stream.ID, " ", m.Version)] }
			want := make(map[string]int64)
			newRelay := func() *outbox.Relay { return outbox.New(s, l, outbox.Config{BatchSize: 4}) }
			stop := run(t, newRelay())
			for range 120 {
				for range random.IntN(6) {
					id := fmt.Sprint(random.IntN(6))
					add(t, s, id)
					want[id]++
				}
				settle(time.Duration(random.IntN(3)) * time.Second)
				l.change(func() {
					switch random.IntN(12) {
					case 0:
						l.cut(random.IntN(len(l.kept) + 1))
					case 1:
						l.purge(func(entry) bool { return true })
						purged = true
					case 2:
						purged = true
						l.purge(l.at(fmt.Sprint("tick ", random.IntN(3))))
					case 3:
						l.session++
					case 4:
						id := fmt.Sprint(random.IntN(6))
						bad[fmt.Sprint(id, " ", want[id]+1)] = true
					case 5, 6:
						clear(bad)
					}
				})
				if random.IntN(15) == 0 {
					if purged { // nobody knows of a purge under traffic but the relay that runs
						l.change(func() { l.fail = nil })
						settle(2 * time.Minute)
						l.change(func() { l.fail = flaky })
						purged = false
					}
					stop()
					stop = run(t, newRelay())
				}
			}
			l.change(func() { clear(bad); l.fail = nil })
			settle(3 * time.Hour)
			stop()
			l.completes(t, want)
			if n := left(t, s); n != 0 {
				t.Errorf("%d left in the outbox", n)
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

func TestAForeignMessageIsToldAndStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memory.New(), newLedger()
		want := fill(t, s, 20)
		relay := outbox.New(s, l, outbox.Config{})
		defer run(t, relay)()
		settle(time.Second)
		l.change(func() { l.kept = append(l.kept, entry{broker.Message{ID: "x", Topic: "tick", Key: "1"}, 1000}) })
		settle(time.Minute)
		if a := relay.State().Audit; !slices.Equal(a.Foreign, []string{l.Place("tick", "1")}) || a.Behind != 0 {
			t.Errorf("the audit says %+v", a)
		}
		l.change(func() { l.purge(func(m entry) bool { return m.ID == "x" }) })
		add(t, s, "1")
		want["1"]++
		settle(time.Second)
		l.holds(t, want)
	})
}

func TestAnEventThatTheStoreDoesNotHaveIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memory.New(), newLedger()
		fill(t, s, 20)
		relay := outbox.New(s, l, outbox.Config{})
		defer run(t, relay)()
		settle(time.Second)
		history, err := s.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ghost := cloudevents.Event{Source: "eventus", History: history, Message: store.Message{
			Event:  store.Event{ID: "ghost", Type: "ticked", ContentType: "application/json", Time: time.Now()},
			Stream: store.Stream{Category: "tick", ID: "1"}, Version: 5, Position: 21,
		}}
		l.change(func() { l.kept = append(l.kept, entry{cloudevents.Encode(ghost), 1000}) })
		add(t, s, "3") // takes the ghost's position
		settle(time.Minute)
		if a := relay.State().Audit; !slices.Equal(a.Ahead, []string{l.Place("tick", "1")}) || a.Behind != 0 {
			t.Errorf("the audit says %+v", a)
		}
		if n := l.len(); n != 22 {
			t.Errorf("%d messages, want 22: publishing goes on", n)
		}
	})
}

func TestACategoryOfAnotherStoreIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    outbox.Config
		before func(t *testing.T, s *memory.Store) // Run of the second
	}{
		"at the start when it is listed":     {outbox.Config{Categories: []string{"tick"}}, func(*testing.T, *memory.Store) {}},
		"before its first message otherwise": {outbox.Config{}, func(t *testing.T, s *memory.Store) { add(t, s, "b") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second, b := memory.New(), memory.New(), brokermemory.New(brokermemory.Config{})
				add(t, first, "a")
				defer run(t, outbox.New(first, b, outbox.Config{}))()
				settle(time.Second)
				c.before(t, second)
				err := outbox.New(second, b, c.cfg).Run(t.Context())
				var owned *broker.OwnedError
				if !errors.As(err, &owned) || !errors.Is(err, broker.ErrOwned) {
					t.Fatalf("got %v, want an OwnedError", err)
				}
				firstHistory, _ := first.History(t.Context())
				secondHistory, _ := second.History(t.Context())
				if owned.Owner != firstHistory || owned.Claimant != secondHistory || owned.Topic != "tick" {
					t.Errorf("got %+v", owned)
				}
				tail, err := b.Last(t.Context(), "tick")
				if err != nil || tail.Messages["tick"].Key != "a" {
					t.Errorf("the broker has %+v, %v", tail, err)
				}
			})
		})
	}
}

// A store whose categories are known from what it has published need not list
// them.
func TestAPublishedCategoryIsClaimedAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memory.New(), newLedger()
		add(t, s, "a")
		relay := outbox.New(s, l, outbox.Config{})
		stop := run(t, relay)
		settle(time.Second)
		stop()
		l.change(func() { l.owners["tick"] = "another store" }) // the broker was made anew, and the other was faster
		if err := relay.Run(t.Context()); !errors.Is(err, broker.ErrOwned) {
			t.Errorf("got %v, want %v", err, broker.ErrOwned)
		}
	})
}

func TestStateSaysWhatTheRelayDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memory.New(), newLedger()
		relay, other := outbox.New(s, l, outbox.Config{}), outbox.New(s, l, outbox.Config{})
		stop := run(t, relay)
		settle(time.Second)
		defer run(t, other)()
		add(t, s, "a")
		settle(time.Second)
		if got := relay.State(); !got.Leader || got.Position != 1 || got.Published != 1 || got.Err != nil {
			t.Errorf("got %+v", got)
		}
		if got := other.State(); got.Leader || got.Published != 0 {
			t.Errorf("the other: got %+v", got)
		}
		l.change(func() { l.fail = func(int) (int, int, error) { return 0, 0, errBroken } })
		add(t, s, "a")
		settle(time.Second)
		if got := relay.State(); !errors.Is(got.Err, errBroken) {
			t.Errorf("got %+v", got)
		}
		stop()
		if relay.State().Leader {
			t.Error("it leads after it was stopped")
		}
	})
}
