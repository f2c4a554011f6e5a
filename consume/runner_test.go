package consume_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"pgregory.net/rapid"
)

func TestEveryEffectHappensOnceWhateverTheBrokerDoes(t *testing.T) {
	for name, c := range map[string]chaos{
		"nothing":             {},
		"it repeats":          {repeat: 0.5},
		"it reorders":         {shuffle: true},
		"it loses":            {lose: 0.5},
		"it loses everything": {lose: 1},
		"it refuses":          {refuse: 0.5},
		"all of it":           {lose: 0.2, repeat: 0.3, shuffle: true, refuse: 0.3},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				seed := rapid.Uint64().Draw(rt, "seed")
				batch := rapid.IntRange(1, 20).Draw(rt, "batch")
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 1))
					s := newSystem(t, settings{
						publisher: func(p broker.Publisher) broker.Publisher {
							c := c
							c.Publisher, c.random = p, rand.New(rand.NewPCG(seed, 2))
							return &c
						},
						config: consume.RunnerConfig{Batch: batch},
					})
					defer s.end()
					stop := s.run(s.runner.Run)
					counts := make(map[string]int64)
					for range 60 {
						id := fmt.Sprint(random.IntN(5))
						counts[id]++
						appendTicks(t, s.store, id, counts[id])
						switch random.IntN(10) {
						case 0:
							stop()
							stop = s.run(s.runner.Run)
						case 1, 2, 3:
							settle(time.Duration(random.IntN(300)) * time.Millisecond)
						}
					}
					settle(time.Minute)
					for id, n := range counts {
						s.view.check(t, id, n)
					}
				})
			})
		})
	}
}

func TestAFailingHandlerIsTriedAgainWithoutHoldingOthersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		failures := 0
		s.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Stream == tick("bad") && m.Version == 2 && failures < 3 {
				failures++
				return errors.New("not yet")
			}
			return nil
		})
		s.run(s.runner.Run)
		appendTicks(t, s.store, "bad", 1, 2, 3)
		appendTicks(t, s.store, "good", 1, 2, 3)
		synctest.Wait()
		s.view.check(t, "good", 3)
		s.view.check(t, "bad", 1)
		settle(10 * time.Second)
		s.view.check(t, "bad", 3)
		if letters := s.deadLetters(); len(letters) != 0 {
			t.Errorf("parked: %v", letters)
		}
	})
}

func TestAPoisonMessageParksItsStreamAndRedriveRunsItInOrder(t *testing.T) {
	for name, noLog := range map[string]bool{"with the log": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t, settings{noLog: noLog})
				defer s.end()
				s.view.setFail(func(m eventus.Message[ticked]) error {
					if m.Stream == tick("bad") && m.Version >= 2 {
						return errors.New("cannot")
					}
					return nil
				})
				s.run(s.runner.Run)
				appendTicks(t, s.store, "bad", 1, 2, 3)
				appendTicks(t, s.store, "good", 1, 2, 3)
				settle(time.Minute)
				appendTicks(t, s.store, "bad", 4)
				appendTicks(t, s.store, "good", 4)
				settle(time.Minute)
				s.view.check(t, "good", 4)
				s.view.check(t, "bad", 1)

				letters := s.deadLetters()
				if len(letters) != 1 {
					t.Fatalf("got %+v, want one stream", letters)
				}
				if d := letters[0]; d.Message.Stream != tick("bad") || d.Message.Version != 2 || d.Error != "cannot" || d.Attempts != 5 || d.Consumer != "view" {
					t.Errorf("got %+v", d)
				}
				// In the first batch together, then each by itself.
				if calls := s.view.calls[tick("bad")]; calls > 2+3+5 {
					t.Errorf("%d calls for one good message and five attempts", calls)
				}

				n, err := s.runner.Redrive(context.Background(), tick("bad"))
				if n != 0 || err == nil || !strings.Contains(err.Error(), "cannot") {
					t.Errorf("redriven before the cause was mended: %d, %v", n, err)
				}
				if d := s.deadLetters()[0]; d.Attempts != 6 {
					t.Errorf("%d attempts noted, want 6", d.Attempts)
				}
				s.view.setFail(nil)
				if n, err := s.runner.Redrive(context.Background(), tick("bad")); n != 3 || err != nil {
					t.Errorf("redriven: %d, %v", n, err)
				}
				appendTicks(t, s.store, "bad", 5)
				settle(time.Minute)
				s.view.check(t, "bad", 5)
				if letters := s.deadLetters(); len(letters) != 0 {
					t.Errorf("left: %+v", letters)
				}
			})
		})
	}
}

func TestWhatIsNoUseToRetryIsParkedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Stream == tick("permanent") {
				return consume.Permanent(errors.New("never"))
			}
			return nil
		})
		broken := encode(t, 1)
		broken.Data = []byte(`{"n":`)
		if _, err := s.store.Append(t.Context(), tick("broken"), store.Any, []store.Event{broken}); err != nil {
			t.Fatal(err)
		}
		appendTicks(t, s.store, "permanent", 1)
		s.run(s.runner.Run)
		synctest.Wait()
		if letters := s.deadLetters(); len(letters) != 1 {
			t.Fatalf("got %+v, want the one that the handler gave up", letters)
		}
		// What cannot be decoded here may be so by a newer release beside this.
		settle(time.Minute)
		letters := s.deadLetters()
		if len(letters) != 2 || letters[0].Message.Stream != tick("broken") || letters[1].Error != "never" || letters[1].Attempts != 1 {
			t.Fatalf("got %+v", letters)
		}
		if !strings.Contains(letters[0].Error, `tick broken, version 1, type "ticked"`) {
			t.Errorf("got %q", letters[0].Error)
		}
		if s.view.calls[tick("permanent")] > 2 {
			t.Errorf("%d calls", s.view.calls[tick("permanent")])
		}
	})
}

func TestAPanicCountsAsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Stream == tick("bad") {
				panic("boom")
			}
			return nil
		})
		s.run(s.runner.Run)
		appendTicks(t, s.store, "bad", 1)
		appendTicks(t, s.store, "good", 1)
		settle(time.Minute)
		s.view.check(t, "good", 1)
		if letters := s.deadLetters(); len(letters) != 1 || !strings.Contains(letters[0].Error, "panicked: boom") || !strings.Contains(letters[0].Error, "runner_test.go") {
			t.Errorf("got %+v", letters)
		}
	})
}

// troubled is an inbox whose database has passing trouble.
type troubled struct {
	*memory.Store
	down func() bool
}

var errDown = errors.New("the database is restarting")

func (s *troubled) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	if s.down() {
		return errDown
	}
	return s.Store.InTx(ctx, f)
}

func (s *troubled) Transient(err error) bool { return errors.Is(err, errDown) }

func TestTroubleWithTheDatabaseNeverCondemnsAMessage(t *testing.T) {
	for name, inHandler := range map[string]bool{"in the inbox": false, "in the handler": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t, settings{})
				defer s.end()
				var down atomic.Bool
				down.Store(true)
				inbox := &troubled{Store: s.store, down: func() bool { return down.Load() && !inHandler }}
				s.view.setFail(func(eventus.Message[ticked]) error {
					if down.Load() && inHandler {
						return fmt.Errorf("insert: %w", errDown)
					}
					return nil
				})
				runner := consume.New(consume.Idempotent("view", inbox, s.view.Handle, consume.Retry{}), ticks, s.broker, consume.RunnerConfig{Log: s.store})
				s.run(runner.Run)
				for i := range 10 {
					appendTicks(t, s.store, fmt.Sprint(i), 1, 2)
				}
				settle(time.Hour)
				down.Store(false)
				settle(time.Minute)
				for i := range 10 {
					s.view.check(t, fmt.Sprint(i), 2)
				}
				if letters := s.deadLetters(); len(letters) != 0 {
					t.Errorf("parked: %+v", letters)
				}
			})
		})
	}
}

func TestMoreFailingStreamsThanTheRunnerKeepsInMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{retry: consume.Retry{MaxAttempts: 1000, BaseDelay: time.Second}})
		defer s.end()
		s.view.setFail(func(eventus.Message[ticked]) error { return errors.New("broken release") })
		s.run(s.runner.Run)
		const streams = 1500
		for i := range streams {
			appendTicks(t, s.store, fmt.Sprint(i), 1)
		}
		settle(5 * time.Minute)
		s.view.setFail(nil)
		settle(10 * time.Minute)
		for i := range streams {
			s.view.check(t, fmt.Sprint(i), 1)
		}
	})
}

func TestWithoutTheLogAnEarlyMessageWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 1))
		s := newSystem(t, settings{noLog: true, publisher: func(p broker.Publisher) broker.Publisher {
			return &chaos{Publisher: p, random: random, repeat: 0.5, shuffle: true}
		}, config: consume.RunnerConfig{Batch: 3}})
		defer s.end()
		s.run(s.runner.Run)
		for n := range int64(20) {
			appendTicks(t, s.store, "a", n)
			appendTicks(t, s.store, "b", n)
		}
		settle(time.Hour)
		s.view.check(t, "a", 20)
		s.view.check(t, "b", 20)
	})
}

// A stream that waits for ever must show, and must not use up what the broker
// lets a consumer have in hand.
func TestAMessageWhosePredecessorNeverComesIsParked(t *testing.T) {
	for name, noLog := range map[string]bool{"without the log": true, "with a log that has neither": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t, settings{noLog: true})
				defer s.end()
				cfg := consume.RunnerConfig{}
				if !noLog {
					cfg.Log = memory.New()
				}
				runner := consume.New(consume.Idempotent("view", s.store, s.view.Handle, consume.Retry{}), ticks, dropping{s.broker, 1}, cfg)
				s.run(runner.Run)
				synctest.Wait()
				appendTicks(t, s.store, "a", 1, 2, 3)
				settle(time.Minute)
				if letters := s.deadLetters(); len(letters) != 0 {
					t.Fatalf("parked already: %+v", letters)
				}
				settle(time.Hour)
				s.view.check(t, "a", 0)
				letters := s.deadLetters()
				if len(letters) != 1 || letters[0].Message.Version != 2 || !strings.Contains(letters[0].Error, "version 2 came before version 1") {
					t.Fatalf("got %+v", letters)
				}
				if _, err := runner.Redrive(t.Context(), tick("a")); !errors.Is(err, consume.ErrGap) {
					t.Errorf("redriven over the gap: %v", err)
				}
				// The cure: the producer publishes again, and the stream is redriven.
				late, err := s.store.Read(t.Context(), tick("a"), 0, 1)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.broker.Publish(t.Context(), []broker.Message{cloudevents.Encode(cloudevents.Event{Message: late[0], Source: "again"})}); err != nil {
					t.Fatal(err)
				}
				settle(time.Minute)
				if n, err := runner.Redrive(t.Context(), tick("a")); n != 3 || err != nil {
					t.Errorf("redriven: %d, %v", n, err)
				}
				s.view.check(t, "a", 3)
			})
		})
	}
}

// dropping is a broker whose subscribers never get the first copy of a version.
type dropping struct {
	broker.Subscriber
	version int64
}

func (d dropping) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	s, err := d.Subscriber.Subscribe(ctx, name, topic, start)
	return &droppingSubscription{Subscription: s, version: fmt.Sprint(d.version)}, err
}

type droppingSubscription struct {
	broker.Subscription
	version string
	dropped bool
}

func (d *droppingSubscription) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	for {
		deliveries, err := d.Subscription.Fetch(ctx, limit)
		if err != nil {
			return nil, err
		}
		kept := slices.DeleteFunc(deliveries, func(delivery broker.Delivery) bool {
			if d.dropped || delivery.Message().Header["ce-streamversion"] != d.version {
				return false
			}
			d.dropped = true
			return delivery.Ack(ctx) == nil
		})
		if len(kept) > 0 {
			return kept, nil
		}
	}
}

func TestWithoutTheLogAGapIsNeverJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped := false
		s := newSystem(t, settings{noLog: true, publisher: func(p broker.Publisher) broker.Publisher {
			return publisherFunc(func(ctx context.Context, messages []broker.Message) (int, error) {
				kept := slices.DeleteFunc(slices.Clone(messages), func(m broker.Message) bool {
					drop := !dropped && m.Header["ce-streamversion"] == "2"
					dropped = dropped || drop
					return drop
				})
				if n, err := p.Publish(ctx, kept); err != nil {
					return n, err
				}
				return len(messages), nil
			})
		}})
		defer s.end()
		s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1, 2, 3)
		settle(time.Minute)
		s.view.check(t, "a", 1)
		if !dropped {
			t.Fatal("nothing was dropped")
		}
		// The cure for a service without the log: the producer publishes again.
		log, err := s.store.ReadAll(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range log {
			if _, err := s.broker.Publish(t.Context(), []broker.Message{cloudevents.Encode(cloudevents.Event{Message: m, Source: "again"})}); err != nil {
				t.Fatal(err)
			}
		}
		settle(time.Hour)
		s.view.check(t, "a", 3)
	})
}

type publisherFunc func(context.Context, []broker.Message) (int, error)

func (f publisherFunc) Publish(ctx context.Context, m []broker.Message) (int, error) {
	return f(ctx, m)
}

func TestUnknownForeignEventsPassByAndMoveTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{noLog: true})
		defer s.end()
		s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1)
		unknown := encode(t, 2)
		unknown.Type, unknown.Data = "tock", []byte("not even JSON")
		if _, err := s.store.Append(t.Context(), tick("a"), store.Any, []store.Event{unknown}); err != nil {
			t.Fatal(err)
		}
		appendTicks(t, s.store, "a", 3)
		settle(time.Minute)
		if got := s.view.of("a"); !slices.Equal(got, []int64{1, 3}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAMessageWithoutAUsableEnvelopeHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{noLog: true})
		defer s.end()
		s.run(s.runner.Run)
		if _, err := s.broker.Publish(t.Context(), []broker.Message{{ID: "x", Topic: "tick", Data: []byte("?")}}); err != nil {
			t.Fatal(err)
		}
		appendTicks(t, s.store, "a", 1)
		settle(time.Minute)
		s.view.check(t, "a", 1)
	})
}

func TestTheLogFeedsTheConsumerWhileTheBrokerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{subscriber: func(broker.Subscriber) broker.Subscriber { return deaf{} }})
		defer s.end()
		s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1, 2)
		settle(time.Minute)
		s.view.check(t, "a", 2)
	})
}

type deaf struct{}

func (deaf) Subscribe(context.Context, string, string, broker.Start) (broker.Subscription, error) {
	return nil, errors.New("no broker")
}

func TestTheLastMessageOfAStreamIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{publisher: func(p broker.Publisher) broker.Publisher {
			return publisherFunc(func(_ context.Context, messages []broker.Message) (int, error) { return len(messages), nil })
		}})
		defer s.end()
		s.run(s.runner.Run)
		synctest.Wait()
		appendTicks(t, s.store, "a", 1)
		settle(time.Second)
		s.view.check(t, "a", 0)
		settle(30 * time.Second)
		s.view.check(t, "a", 1)
	})
}

// A message that only the log still has is tried again when its pause is over,
// not at the next walk over the log.
func TestAFailureThatOnlyTheLogCanRepeatIsRepeatedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{config: consume.RunnerConfig{Sweep: time.Hour}, subscriber: func(broker.Subscriber) broker.Subscriber { return silent() }})
		defer s.end()
		failures := 0
		s.view.setFail(func(eventus.Message[ticked]) error {
			if failures++; failures < 4 {
				return errors.New("not yet")
			}
			return nil
		})
		appendTicks(t, s.store, "a", 1)
		s.run(s.runner.Run)
		settle(time.Minute)
		s.view.check(t, "a", 1)
	})
}

// Each walk over the log meets the good messages before the poisoned one again,
// because another stream holds the consumer's position back.
func TestRepeatedMessagesGiveAPoisonedOneNoNewChances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(func(m eventus.Message[ticked]) error {
			switch {
			case m.Stream == tick("held"):
				return errDown
			case m.Version == 3:
				return errors.New("cannot")
			}
			return nil
		})
		inbox := &troubled{Store: s.store, down: func() bool { return false }}
		runner := consume.New(consume.Idempotent("view", inbox, s.view.Handle, consume.Retry{}), ticks, silent(), consume.RunnerConfig{Log: s.store})
		appendTicks(t, s.store, "held", 1)
		appendTicks(t, s.store, "a", 1, 2, 3, 4)
		s.run(runner.Run)
		settle(10 * time.Minute)
		s.view.check(t, "a", 2)
		if letters := s.deadLetters(); len(letters) != 1 || letters[0].Message.Version != 3 || letters[0].Attempts != 10 {
			t.Errorf("got %+v", letters)
		}
	})
}

// silent returns a broker at which nothing arrives.
func silent() broker.Subscriber { return brokermemory.New(brokermemory.Config{}) }

func TestAMessageThatAnotherMemberHandledIsNotParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		other := consume.Idempotent("view", s.store, newView().Handle, consume.Retry{})
		s.view.setFail(func(eventus.Message[ticked]) error { return consume.Permanent(errors.New("here")) })
		// Once in the batch, once by itself: the next transaction parks.
		failed := func() bool { return s.view.calls[tick("a")] == 2 }
		overtaken := false
		inbox := &troubled{Store: s.store, down: func() bool {
			if failed() && !overtaken {
				overtaken = true
				if err := other.Handle(context.Background(), message("a", 1)); err != nil {
					t.Error(err)
				}
			}
			return false
		}}
		runner := consume.New(consume.Idempotent("view", inbox, s.view.Handle, consume.Retry{}), ticks, silent(), consume.RunnerConfig{Log: s.store, Batch: 1})
		appendTicks(t, s.store, "a", 1)
		s.run(runner.Run)
		settle(time.Minute)
		if letters := s.deadLetters(); !overtaken || len(letters) != 0 {
			t.Errorf("parked: %+v", letters)
		}
	})
}

func TestMembersOfAConsumerShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{config: consume.RunnerConfig{Batch: 2}})
		defer s.end()
		for range 3 {
			member := consume.New(consume.Idempotent("view", s.store, s.view.Handle, consume.Retry{}), ticks, s.broker, consume.RunnerConfig{Log: s.store, Batch: 3})
			s.run(member.Run)
		}
		for n := range int64(100) {
			for id := range 4 {
				appendTicks(t, s.store, fmt.Sprint(id), n)
			}
			if n%10 == 0 {
				settle(10 * time.Millisecond)
			}
		}
		settle(10 * time.Minute)
		for id := range 4 {
			s.view.check(t, fmt.Sprint(id), 100)
		}
	})
}

func TestWhatIsInHandIsFinishedWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		started := make(chan struct{})
		s.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Version == 1 {
				close(started)
				time.Sleep(5 * time.Second) // half of Grace
			}
			return nil
		})
		stop := s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1)
		<-started
		stop()
		s.view.check(t, "a", 1)
	})
}

func TestWhatTakesLongerThanGraceIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		started, once := make(chan struct{}), false
		runner := consume.New(consume.Idempotent("view", s.store, consume.HandlerFunc[*memory.Tx, ticked](
			func(ctx context.Context, tx *memory.Tx, m eventus.Message[ticked]) error {
				if !once {
					once = true
					close(started)
					<-ctx.Done()
					return ctx.Err()
				}
				return s.view.Handle(ctx, tx, m)
			}), consume.Retry{}), ticks, s.broker, consume.RunnerConfig{Log: s.store})
		stop := s.run(runner.Run)
		appendTicks(t, s.store, "a", 1)
		<-started
		stop()
		s.view.check(t, "a", 0)
		if letters := s.deadLetters(); len(letters) != 0 {
			t.Fatalf("parked: %+v", letters)
		}
		s.run(runner.Run)
		settle(time.Minute)
		s.view.check(t, "a", 1)
	})
}

// A slow handler must not meet its own message again, nor must another member.
func TestMessagesBeingWorkedOnAreNotRedelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(func(eventus.Message[ticked]) error { time.Sleep(5 * time.Minute); return nil })
		s.run(s.runner.Run)
		synctest.Wait()
		appendTicks(t, s.store, "a", 1)
		settle(time.Second)
		member, err := s.broker.Subscribe(t.Context(), "view", "tick", broker.FromNow)
		if err != nil {
			t.Fatal(err)
		}
		defer member.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		if deliveries, err := member.Fetch(ctx, 1); err == nil {
			t.Errorf("another member got %+v", deliveries[0].Message())
		}
		settle(2 * time.Minute)
		s.view.check(t, "a", 1)
	})
}

func TestAConsumerOfTwoCategoriesGetsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		tocks := eventus.Foreign("tock", eventus.Known("ticked", func(e ticked) ticked { return e }))
		other := consume.New(consume.Idempotent("view", s.store, s.view.Handle, consume.Retry{}), tocks, s.broker, consume.RunnerConfig{Log: s.store})
		tock := store.Stream{Category: "tock", ID: "a"}
		both := func() {
			appendTicks(t, s.store, "a", 1)
			if _, err := s.store.Append(t.Context(), tock, store.Any, []store.Event{encode(t, 1)}); err != nil {
				t.Fatal(err)
			}
		}
		both()
		s.run(s.runner.Run)
		settle(time.Minute)
		s.run(other.Run)
		settle(time.Minute)
		both()
		settle(time.Second)
		s.view.check(t, "a", 2)
		if got := s.view.versions[tock]; !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("got %v", got)
		}
	})
}

// A commit can fail because of what the handler wrote: then the handler's
// message is to blame. Else it is the database.
func TestWhoIsToBlameForAFailedTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		before, after bool // the transaction fails before or after its function
		parked        int
	}{
		"it cannot begin":  {before: true},
		"it cannot commit": {after: true, parked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t, settings{})
				defer s.end()
				var broken atomic.Bool
				broken.Store(true)
				inbox := &unclassified{Store: s.store, fails: func(handled bool) bool {
					return broken.Load() && (c.before || c.after && handled)
				}, view: s.view}
				runner := consume.New(consume.Idempotent("view", inbox, s.view.Handle, consume.Retry{}), ticks, s.broker, consume.RunnerConfig{Log: s.store})
				appendTicks(t, s.store, "a", 1)
				s.run(runner.Run)
				settle(time.Hour)
				broken.Store(false)
				settle(time.Minute)
				if letters := s.deadLetters(); len(letters) != c.parked {
					t.Errorf("parked: %+v", letters)
				}
			})
		})
	}
}

// unclassified is an inbox whose transactions fail for a reason it cannot name.
type unclassified struct {
	*memory.Store
	view  *view
	fails func(handled bool) bool
}

func (u *unclassified) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	if u.fails(false) {
		return errors.New("proxy: unexpected reply")
	}
	return u.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		before := u.view.calls[tick("a")]
		if err := f(ctx, tx); err != nil {
			return err
		}
		if u.fails(u.view.calls[tick("a")] > before) {
			return errors.New("deferred constraint")
		}
		return nil
	})
}

func TestRunIsCalledOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.run(s.runner.Run)
		synctest.Wait()
		if err := s.runner.Run(t.Context()); err == nil {
			t.Error("ran twice")
		}
	})
}

func TestHandlersSeeTheMessagesMetadataContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		got := make(chan eventus.Metadata, 2)
		runner := consume.New(consume.AtLeastOnce("md", s.store,
			func(ctx context.Context, m eventus.Message[ticked]) error {
				got <- eventus.MetadataFrom(ctx)
				return nil
			}, consume.Retry{}), ticks, s.broker, consume.RunnerConfig{Log: s.store})
		s.run(runner.Run)
		first, second := encode(t, 1), encode(t, 2)
		first.ID, second.ID = "first", "second"
		second.Metadata = store.Metadata{CorrelationID: "request", CausationID: "command", Actor: "ada"}
		if _, err := s.store.Append(t.Context(), tick("a"), store.NoStream, []store.Event{first, second}); err != nil {
			t.Fatal(err)
		}
		if md := <-got; md.CorrelationID != "first" || md.CausationID != "first" {
			t.Errorf("got %+v", md)
		}
		if md := <-got; md.CorrelationID != "request" || md.CausationID != "second" || md.Actor != "ada" {
			t.Errorf("got %+v", md)
		}
	})
}
