package consume_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func TestAFollowerHandlesTheWholeLogOnceAndInOrder(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 700)
		b.append("b", 3)
		stop := b.run(b.follower(b.config()))
		pass(time.Second)
		b.want("a", 700)
		b.want("b", 3)
		b.append("a", 1)
		pass(time.Second)
		b.want("a", 701)
		stop()
		b.append("b", 2)
		b.run(b.follower(b.config())) // goes on where it was
		pass(time.Second)
		b.want("a", 701)
		b.want("b", 5)
		if !slices.IsSorted(b.model.positions) {
			b.Error("not in the order of the log")
		}
		if c := b.consumer(); c.Segments[0].Position != 706 || c.Segments[0].EventID == "" || c.Start != "beginning" {
			b.Errorf("the consumer is %+v", c)
		}
	})
}

func TestSeveralCategoriesHaveOneOrder(t *testing.T) {
	inBubble(t, func(b *bench) {
		for range 50 {
			b.append("a", 1)
			b.appendTo(jumps, "a", 1)
		}
		b.run(consume.Follow("view", b.store, b.config(), consume.OnBatch(bumps, b.model.handleBatch), consume.On(jumps, b.model.handle)))
		pass(time.Second)
		b.want("a", 50)
		b.wantOf(jumps.Stream("a"), 50)
		if len(b.model.positions) != 100 || !slices.IsSorted(b.model.positions) {
			b.Errorf("%d positions, in order: %v", len(b.model.positions), slices.IsSorted(b.model.positions))
		}
	})
}

func TestOnBatchGetsWhatFollowsEachOther(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 600)
		b.run(consume.Follow("view", b.store, b.config(), consume.OnBatch(bumps, b.model.handleBatch)))
		pass(time.Second)
		b.want("a", 600)
		if !slices.Equal(b.model.batches, []int{256, 256, 88}) {
			b.Errorf("batches of %v", b.model.batches)
		}
	})
}

func TestAFailingBatchIsNarrowedToTheMessageToBlame(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 100)
		b.append("bad", 5)
		b.append("c", 100)
		b.model.setFail(failOn("bad", 2, errNever))
		b.run(consume.Follow("view", b.store, b.config(), consume.OnBatch(bumps, b.model.handleBatch)))
		pass(time.Second)
		b.want("a", 100)
		b.want("bad", 1)
		b.want("c", 100)
		if p := b.parked()["bad"]; p.Version != 2 || p.Error != "never" {
			b.Errorf("parked: %+v", p)
		}
	})
}

func TestAStreamThatFailsIsParkedAndHoldsNobodyUp(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("bad", 3)
		b.append("good", 3)
		b.model.setFail(failOn("bad", 2, errNever))
		b.run(b.follower(b.config()))
		pass(20 * time.Millisecond)
		b.want("bad", 1)
		b.want("good", 3)
		if p := b.parked()["bad"]; p.Reason != store.Waiting || p.Version != 2 || p.Attempts != 1 || p.Error != "never" {
			b.Errorf("parked: %+v", p)
		}
		b.append("bad", 300)
		b.model.setFail(nil)
		pass(time.Second)
		b.want("bad", 303)
		if len(b.parked()) != 0 {
			b.Errorf("still parked: %v", b.parked())
		}
	})
}

func TestAMessageThatFailsTooOftenIsPoisonUntilItIsRedriven(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("bad", 3)
		b.model.setFail(failOn("bad", 1, errNever))
		b.run(b.follower(b.config()))
		pass(time.Hour)
		if p := b.parked()["bad"]; p.Reason != store.Poison || p.Attempts != 5 || b.model.callsOf(bumps.Stream("bad")) != 6 { // the first together with others
			b.Errorf("parked: %+v after %d calls", p, b.model.callsOf(bumps.Stream("bad")))
		}
		if !strings.Contains(b.log.String(), "level=ERROR msg=\"stream is parked") {
			b.Error("nothing at error level")
		}
		b.append("bad", 1000)
		b.model.setFail(nil)
		pass(time.Hour)
		b.want("bad", 0)
		b.ask(store.Request{Action: store.Redrive, Actor: "me"})
		pass(3 * time.Second)
		b.want("bad", 1003)
		if r := b.requests(); len(r) != 1 || r[0].Outcome != "1 streams are tried again" || r[0].DoneAt.IsZero() || r[0].Actor != "me" {
			b.Errorf("requests: %+v", r)
		}
	})
}

func (b *bench) requests() []store.Request {
	b.Helper()
	r, err := b.store.ListRequests(context.Background(), "view", 0, 100)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func TestASkippedMessageStaysOnRecord(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("bad", 3)
		b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
			if m.Version == 2 {
				return consume.Permanent(errNever)
			}
			return nil
		})
		b.run(b.follower(b.config()))
		pass(time.Second)
		if p := b.parked()["bad"]; p.Reason != store.Poison || p.Attempts != 1 {
			b.Errorf("parked: %+v", p)
		}
		if _, err := consume.Ask(context.Background(), b.store, store.Request{Consumer: store.ConsumerID{Name: "view"}, Action: store.Skip, Stream: bumps.Stream("bad")}); err == nil {
			b.Error("a skip without a reason is taken")
		}
		b.ask(store.Request{Action: store.Skip, Stream: bumps.Stream("bad"), Reason: "a test", Actor: "me"})
		b.ask(store.Request{Action: store.Skip, Stream: bumps.Stream("good"), Reason: "a test", Actor: "me"})
		pass(3 * time.Second)
		if got := b.model.of(bumps.Stream("bad")); !slices.Equal(got, []int64{1, 3}) {
			b.Errorf("the model has %v", got)
		}
		r := b.requests()
		if r[1].Outcome != "version 2 was passed over; its error was: never" || r[0].Outcome != "refused: the stream is not parked" {
			b.Errorf("requests: %+v", r)
		}
		if len(b.parked()) != 0 {
			b.Errorf("still parked: %v", b.parked())
		}
	})
}

func TestPassingTroubleCountsNoAttempts(t *testing.T) {
	for name, err := range map[string]error{
		"transient":                        consume.Transient(errNever),
		"conflict":                         fmt.Errorf("append: %w", store.ErrConflict),
		"damage of what the handler reads": fmt.Errorf("load another aggregate: %w", &store.DamagedError{Err: errNever}),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.append("bad", 3)
				b.append("good", 3)
				b.model.setFail(failOn("bad", 1, err))
				b.run(b.follower(b.config()))
				pass(2 * time.Hour)
				b.want("good", 3)
				if p := b.parked()["bad"]; p.Reason != store.Waiting || p.Attempts != 0 {
					b.Errorf("parked: %+v", p)
				}
				if calls := b.model.callsOf(bumps.Stream("bad")); calls > 1_000 {
					b.Errorf("%d calls in two hours", calls)
				}
				b.model.setFail(nil)
				pass(time.Minute)
				b.want("bad", 3)
			})
		})
	}
}

func TestAPanicAndGoexitAreFailuresOfTheMessage(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.append("bad", 2)
				b.append("good", 2)
				b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
					if m.Stream.ID == "bad" {
						end()
					}
					return nil
				})
				b.run(b.follower(b.config()))
				pass(time.Hour)
				b.want("good", 2)
				if p := b.parked()["bad"]; p.Reason != store.Poison || !strings.Contains(p.Error, name) {
					b.Errorf("parked: %+v", p)
				}
			})
		})
	}
}

func TestAHandlerThatHangsIsAFailureOfItsMessage(t *testing.T) {
	inBubble(t, func(b *bench) {
		release := make(chan struct{})
		defer close(release)
		b.append("good", 2)
		b.append("bad", 2)
		b.append("other", 2)
		b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
			if m.Stream.ID == "bad" {
				<-release
			}
			return nil
		})
		b.run(b.follower(b.config()))
		pass(10 * time.Minute)
		b.want("good", 2)
		b.want("other", 2)
		if p := b.parked()["bad"]; p.Reason != store.Poison || !strings.Contains(p.Error, "has not returned") {
			b.Errorf("parked: %+v", p)
		}
	})
}

func TestAnEventThatTheProgramDoesNotKnowWaitsForOneThatDoes(t *testing.T) {
	inBubble(t, func(b *bench) {
		old := eventus.Define("bump", eventus.New[bump], eventus.Type[bumped]("bumped.old"))
		b.append("a", 2)
		b.appendTo(old, "b", 1)
		stop := b.run(consume.Follow("view", b.store, b.config(), consume.On(old, b.model.handle)))
		pass(time.Hour)
		b.want("a", 0)
		b.want("b", 1)
		if p := b.parked()["a"]; p.Reason != store.Unknown || p.Attempts != 0 {
			b.Errorf("parked: %+v", p)
		}
		stop()
		b.run(b.follower(b.config()))
		pass(time.Second)
		b.want("a", 2)
		if len(b.parked()) != 0 {
			b.Errorf("still parked: %v", b.parked())
		}
	})
}

func TestStartSaysWhereANewConsumerBegins(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		time.Sleep(time.Hour)
		at := time.Now()
		b.append("a", 4)
		for i, c := range []struct {
			start consume.Start
			want  int
		}{{consume.Beginning, 7}, {consume.Now, 0}, {consume.At(at), 4}, {consume.At(at.Add(-time.Hour)), 7}, {consume.At(at.Add(time.Second)), 0}} {
			cfg := b.config()
			cfg.Start = c.start
			n := 0
			f := consume.Follow(fmt.Sprint("starts-", i), b.store, cfg,
				consume.Outside(consume.On(bumps, func(context.Context, *memory.Tx, eventus.Message[bumpEvent]) error { n++; return nil })))
			stop := b.run(f)
			pass(time.Second)
			stop()
			if n != c.want {
				b.Errorf("from %s: %d messages, want %d", c.start, n, c.want)
			}
		}
	})
}

// One failure must not repeat the mails of its whole batch.
func TestAnEffectOutsideOfTheDatabaseIsNotRepeatedForAnothersFailure(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 50)
		b.append("bad", 1)
		b.append("a", 50)
		mails := make(map[string]int)
		cfg := b.config()
		cfg.Start = consume.Beginning
		b.run(consume.Follow("view", b.store, cfg, consume.Outside(consume.On(bumps,
			func(_ context.Context, _ *memory.Tx, m eventus.Message[bumpEvent]) error {
				mails[m.ID]++
				if m.Stream.ID == "bad" {
					return errNever
				}
				return nil
			}))))
		pass(time.Hour)
		for id, n := range mails {
			if n != 1 && !strings.HasPrefix(id, "bad") {
				b.Errorf("%s: %d mails", id, n)
			}
		}
		if len(mails) != 101 {
			b.Errorf("mails of %d events, want 101", len(mails))
		}
	})
}

func TestMistakesInTheWiringOfAFollowerPanicAtOnce(t *testing.T) {
	s, m := memory.New(), newModel()
	on := consume.On(bumps, m.handle)
	for want, wire := range map[string]func(){
		"consumer: 0 bytes":            func() { consume.Follow("", s, consume.Config{}, on) },
		"has '!'":                      func() { consume.Follow("a!", s, consume.Config{}, on) },
		"129 bytes":                    func() { consume.Follow(strings.Repeat("n", 129), s, consume.Config{}, on) },
		"needs a database":             func() { consume.Follow[*memory.Tx]("v", nil, consume.Config{}, on) },
		"has no route":                 func() { consume.Follow("v", s, consume.Config{}) },
		"two routes have the category": func() { consume.Follow("v", s, consume.Config{}, on, on) },
		"OnReset is given twice": func() {
			consume.Follow("v", s, consume.Config{}, on, consume.OnReset(m.reset), consume.OnReset(m.reset))
		},
		"a route is empty":       func() { consume.Follow("v", s, consume.Config{}, consume.Route[*memory.Tx]{}) },
		"effects outside":        func() { consume.Follow("v", s, consume.Config{}, consume.Outside(on)) },
		"negative":               func() { consume.Follow("v", s, consume.Config{BatchSize: -1}, on) },
		"more than 1024":         func() { consume.Follow("v", s, consume.Config{Segments: 2000}, on) },
		"Retry has a negative":   func() { consume.Follow("v", s, consume.Config{Retry: consume.Retry{MaxAttempts: -1}}, on) },
		"On needs a function":    func() { consume.On[*memory.Tx](bumps, nil) },
		"OnBatch needs a":        func() { consume.OnBatch[*memory.Tx](bumps, nil) },
		"OnReset needs a":        func() { consume.OnReset[*memory.Tx](nil) },
		"needs the definition":   func() { consume.On[*memory.Tx, bumpEvent](nil, m.handle) },
		"Across needs a log and": func() { consume.Across[*memory.Tx](nil, s) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "consume: ") || !strings.Contains(got, want) {
					t.Errorf("panic %q, want one with %q", got, want)
				}
			}()
			wire()
		})
	}
}

// A follower does not fetch what it does not follow, but for the proof that the
// log is still the same.
func TestEventsOfOtherCategoriesAreNotFetched(t *testing.T) {
	inBubble(t, func(b *bench) {
		for i := range 2000 {
			b.appendTo(jumps, fmt.Sprint("j", i%50), 1)
			if i%100 == 50 {
				b.append("a", 1)
			}
		}
		log := &counted{Log: b.store}
		b.run(consume.Follow("view", consume.Across(log, b.store), b.config(), consume.On(bumps, b.model.handle)))
		pass(time.Minute)
		b.want("a", 20)
		if n := log.longest.Load(); n > 21 {
			b.Errorf("a page had %d messages, of 20 that are followed", n)
		}
		if s := b.consumer().Segments[0]; s.Position != 2020 || s.EventID == "" {
			b.Errorf("the segment is at %+v", s.Progress)
		}
	})
}
