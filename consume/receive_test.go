package consume_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// bubble runs a test of a receiver in memory. It ends what the test has started.
func bubble(t *testing.T, cfg consume.ReceiveConfig, f func(t *testing.T, r *receipt)) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, cfg)
		defer r.end()
		f(t, r)
	})
}

func TestAReceiverHandlesEachEventOnceAndInOrder(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, consume.ReceiveConfig{BatchSize: 1 + int(seed)*3}, func(t *testing.T, r *receipt) {
				random := rand.New(rand.NewPCG(seed, 1))
				r.view.setFail(func(eventus.Message[ticked]) error {
					if rand.Float64() < 0.05 {
						return consume.Transient(errors.New("not now"))
					}
					return nil
				})
				for range 1 + seed%3 {
					r.run(r.member(consume.ReceiveConfig{BatchSize: 7}).Run)
				}
				stop := r.run(r.receiver.Run)
				for round := range 10 {
					var events []cloudevents.Event
					for range 20 {
						e := r.shop.next(fmt.Sprint(random.IntN(4)))
						for events = append(events, e); random.Float64() < 0.3; {
							events = append(events, e)
						}
					}
					random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
					publish(t, r.broker, events...)
					if round == 5 { // a member goes in the middle, and one comes
						stop()
						r.run(r.member(consume.ReceiveConfig{}).Run)
					}
					settle(time.Duration(random.IntN(3)) * time.Second)
				}
				settle(10 * time.Minute)
				for id, version := range r.shop.versions {
					r.view.check(t, id, version)
				}
				r.mustPark(nil)
			})
		})
	}
}

func TestAGapIsWaitedForAndNeverJumped(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		r.publish("a")
		missing := r.shop.next("a")
		r.publish("a", "a", "b")
		settle(time.Hour)
		r.view.check(t, "a", 1)
		r.view.check(t, "b", 1)
		r.mustPark(map[string]store.Reason{"a": store.Gap})
		if r.log.count("level=WARN", "streams miss events", "streams=1") == 0 {
			t.Error("a gap of an hour is not logged")
		}
		publish(t, r.broker, missing)
		settle(time.Second)
		r.view.check(t, "a", 4)
		r.mustPark(nil)
	})
}

func TestAnotherHistoryIsAForkAndTakesNoEffect(t *testing.T) {
	other := newShop("other")
	for name, c := range map[string]struct {
		events []cloudevents.Event
		want   int64 // effects of stream a
	}{
		"another id at the version of the mark": {[]cloudevents.Event{other.event("a", 2)}, 2},
		"a next version that follows another":   {[]cloudevents.Event{other.event("a", 3), other.event("a", 4)}, 2},
		"a first event that follows another":    {[]cloudevents.Event{func() cloudevents.Event { e := other.event("new", 1); e.Previous = "x"; return e }()}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
				r.run(r.receiver.Run)
				r.publish("a", "a")
				settle(time.Second)
				publish(t, r.broker, c.events...)
				settle(time.Second)
				id := c.events[0].Stream.ID
				r.mustPark(map[string]store.Reason{id: store.Forked})
				if n := r.log.count("level=ERROR", "reason=forked", "id="+id, "rebuild the consumer"); n != 1 {
					t.Errorf("%d lines of the fork, want 1", n)
				}
				r.publish("a", "b")
				settle(time.Hour)
				r.view.check(t, "b", 1)
				if id == "a" {
					r.view.check(t, "a", c.want)
				}
				if len(r.view.of("new")) != 0 {
					t.Error("an event without a past took effect")
				}
				// A rebuild follows the history that the broker has first.
				if err := r.receiver.Rebuild(t.Context(), r.view.reset); err != nil {
					t.Fatal(err)
				}
				settle(time.Minute)
				if got := r.view.of("b"); len(got) != 1 {
					t.Errorf("after a rebuild: %v", got)
				}
			})
		})
	}
}

// An older event under its own version is a duplicate, whatever its id: the mark
// knows the id of the last one alone.
func TestDuplicatesMoveNothing(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		r.publish("a", "a", "a")
		settle(time.Second)
		publish(t, r.broker, r.shop.event("a", 1), r.shop.event("a", 3), newShop("other").event("a", 1))
		settle(time.Second)
		r.view.check(t, "a", 3)
		r.mustPark(nil)
		if s := r.receiver.State(); s.Duplicates != 3 || s.Handled != 3 || s.Received != 6 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestMarksWithoutIDsAdoptTheNextEvent(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		err := r.store.InTx(t.Context(), func(ctx context.Context, tx *memory.Tx) error {
			return r.store.SetMarks(ctx, tx, "view", []store.Mark{{Stream: tick("a"), Version: 2}, {Stream: tick("b"), Version: 2}})
		})
		if err != nil {
			t.Fatal(err)
		}
		r.run(r.receiver.Run)
		publish(t, r.broker, r.shop.event("a", 1), r.shop.event("a", 2), r.shop.event("a", 3), r.shop.event("b", 4))
		settle(time.Second)
		if got := r.view.of("a"); len(got) != 1 || got[0] != 3 {
			t.Errorf("handled %v, want version 3", got)
		}
		publish(t, r.broker, newShop("other").event("a", 4))
		settle(time.Second)
		r.mustPark(map[string]store.Reason{"a": store.Forked, "b": store.Gap})
	})
}

// A producer that does not name the event before is trusted to count.
func TestAProducerWithoutPreviousIsTakenAtItsWord(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		for range 3 {
			e := r.shop.next("a")
			e.Previous, e.History = "", ""
			publish(t, r.broker, e)
		}
		settle(time.Second)
		r.view.check(t, "a", 3)
	})
}

func TestStrangersAreCountedLoggedOnceAndDropped(t *testing.T) {
	for name, cfg := range map[string]consume.ReceiveConfig{
		"another source":  {Source: "/shop"},
		"another history": {History: "history of shop"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, cfg, func(t *testing.T, r *receipt) {
				r.run(r.receiver.Run)
				stranger := newShop("stranger")
				r.publish("a")
				for range 5 {
					publish(t, r.broker, stranger.next("a"), stranger.next("b"))
				}
				r.publish("a", "b")
				settle(time.Hour)
				r.view.check(t, "a", 2)
				r.view.check(t, "b", 1)
				r.mustPark(nil)
				if s := r.receiver.State(); s.Strangers != 10 {
					t.Errorf("got %+v", s)
				}
				if n := r.log.count("level=WARN", "stranger", "source=/stranger"); n != 1 {
					t.Errorf("%d lines, want 1", n)
				}
			})
		})
	}
}

func TestManyStrangersFillNeitherLogNorMemory(t *testing.T) {
	bubble(t, consume.ReceiveConfig{Source: "/shop"}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		for i := range 1000 {
			publish(t, r.broker, newShop(fmt.Sprint(i)).event("a", 1))
		}
		settle(time.Second)
		if n := r.log.count("stranger"); n != 100 {
			t.Errorf("%d lines, want 100", n)
		}
		if s := r.receiver.State(); s.Strangers != 1000 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestInventedStreamsStarveNobodyAndAreBounded(t *testing.T) {
	bubble(t, consume.ReceiveConfig{MaxOrphans: 50, MaxDeadLetters: 30}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		r.publish("a")
		early := r.shop.next("late") // its second event comes first
		publish(t, r.broker, r.shop.next("late"))
		for i := range 1000 {
			e := newShop("evil").event(fmt.Sprint("invented", i), 1e15)
			publish(t, r.broker, e)
		}
		r.publish("a")
		settle(time.Second)
		r.view.check(t, "a", 2)
		settle(time.Minute)
		if n := len(r.parked()); n > 50 {
			t.Errorf("%d streams wait, want at most 50", n)
		}
		if n := len(r.letters()); n != 30 {
			t.Errorf("%d dead letters, want 30", n)
		}
		if r.log.count("level=ERROR", "first event did not come") == 0 {
			t.Error("nothing is logged")
		}
		if s := r.receiver.State(); s.Parked[store.Gap] > 50 || s.Waiting > 50 {
			t.Errorf("got %+v", s)
		}
		publish(t, r.broker, early)
		settle(time.Second)
	})
}

func TestUnusableMessagesAreDeadLetters(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		noID := cloudevents.Encode(r.shop.event("a", 1))
		delete(noID.Header, "ce-id")
		noID.ID = "from the broker"
		send(t, r.broker, noID, broker.Message{ID: "2", Topic: "tick", Data: make([]byte, 100_000)})
		r.publish("a")
		settle(time.Second)
		r.view.check(t, "a", 1)
		letters := r.letters()
		if len(letters) != 2 {
			t.Fatalf("%d letters, want 2", len(letters))
		}
		l := letters[1]
		if l.BrokerID != "from the broker" || l.Message.Stream != tick("a") || l.Source != "/shop" || l.Header["ce-subject"] != "a" ||
			string(l.Message.Data) != `{"n":1}` || !strings.Contains(l.Error, "ce-id is missing") {
			t.Errorf("got %+v", l)
		}
		if l := letters[0]; l.Size != 100_000 || len(l.Message.Data) != 64<<10 {
			t.Errorf("a large message: %d of %d bytes", len(l.Message.Data), l.Size)
		}
		if l.Sequence == 0 || letters[0].Sequence <= l.Sequence {
			t.Errorf("sequences %d and %d at the broker", l.Sequence, letters[0].Sequence)
		}
		if s := r.receiver.State(); s.Unusable != 2 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestSubscriptionsOfConsumersDoNotMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, consume.ReceiveConfig{})
		defer r.end()
		long := strings.Repeat("c", store.MaxName)
		type pair struct{ consumer, category string }
		views := make(map[pair]*view)
		for _, p := range []pair{{"orders", "eu-tick"}, {"orders-eu", "tick"}, {long, "tick"}, {long, long}} {
			v := newView()
			views[p] = v
			table := eventus.Foreign(p.category, eventus.Known("ticked", func(e ticked) ticked { return e }))
			r.run(consume.Receive(consume.Idempotent(p.consumer, r.store, v.Handle, consume.Retry{}), table, r.broker, consume.ReceiveConfig{}).Run)
		}
		for p := range views {
			e := newShop("shop").event("a", 1)
			e.Stream.Category = p.category
			publish(t, r.broker, e)
		}
		settle(time.Second)
		for p, v := range views {
			if got := v.versions[store.Stream{Category: p.category, ID: "a"}]; len(got) != 1 {
				t.Errorf("%.20v of %.20v handled %v", p.consumer, p.category, got)
			}
		}
	})
}

func TestServicesWithDatabasesOfTheirOwnEachGetAllMessages(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		other := newView()
		r.run(r.receiver.Run)
		r.run(consume.Receive(consume.Idempotent("view", memory.New(), other.Handle, consume.Retry{}), ticks, r.broker, consume.ReceiveConfig{}).Run)
		for range 10 {
			r.publish("a")
			settle(time.Second)
		}
		r.view.check(t, "a", 10)
		other.check(t, "a", 10)
	})
}

func TestARebuildBeginsAgainWithTheFirstMessage(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		r.run(r.member(consume.ReceiveConfig{}).Run) // another process
		for range 50 {
			r.publish("a", "b")
		}
		settle(time.Second)
		if err := r.receiver.Rebuild(t.Context(), r.view.reset); err != nil {
			t.Fatal(err)
		}
		r.publish("a")
		settle(time.Minute)
		r.view.check(t, "a", 51)
		r.view.check(t, "b", 50)
		r.mustPark(nil)
	})
}

func TestWhatAReceiverIsWiredWithIsChecked(t *testing.T) {
	once := consume.Idempotent("view", memory.New(), newView().Handle, consume.Retry{})
	b := silent()
	for name, wire := range map[string]func(){
		"no consumer":         func() { consume.Receive[*memory.Tx](nil, ticks, b, consume.ReceiveConfig{}) },
		"no source":           func() { consume.Receive(once, nil, b, consume.ReceiveConfig{}) },
		"no broker":           func() { consume.Receive(once, ticks, nil, consume.ReceiveConfig{}) },
		"a negative number":   func() { consume.Receive(once, ticks, b, consume.ReceiveConfig{MaxQueued: -1}) },
		"a negative duration": func() { consume.Receive(once, ticks, b, consume.ReceiveConfig{DedupWindow: -1}) },
		"a negative retry": func() {
			consume.Idempotent("view", memory.New(), newView().Handle, consume.Retry{MaxAttempts: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "consume: ") {
					t.Errorf("panicked with %q", text)
				}
			}()
			wire()
		})
	}
}

func TestRunOfAReceiverIsCalledOnceAtATime(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		synctest.Wait()
		if err := r.receiver.Run(t.Context()); err == nil {
			t.Error("a second Run goes on")
		}
	})
}
