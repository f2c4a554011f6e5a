package outbox_test

import (
	"errors"
	"fmt"
	"slices"
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
			"after a reconnect":         func(l *ledger, _ func()) { l.change(l.reconnect); settle(time.Second) },
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
				relay := outbox.New(s, l, outbox.Config{MaxPollInterval: time.Minute})
				stop := run(t, relay)
				settle(2 * time.Minute)
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
