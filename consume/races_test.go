package consume_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// What happens when somebody else acts between two transactions of one step.

// between returns an inbox that calls act, once, before the n-th transaction
// from when it is armed.
type between struct {
	*memory.Store
	n   int
	act func()
}

func (b *between) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	if b.n--; b.n == 0 {
		b.act()
	}
	return b.Store.InTx(ctx, f)
}

func (b *between) Transient(err error) bool { return errors.Is(err, errDown) }

func (s *system) over(inbox store.Inbox[*memory.Tx], cfg consume.RunnerConfig) *consume.Runner[*memory.Tx, ticked] {
	cfg.Log = s.store
	return consume.New(consume.Idempotent("view", inbox, s.view.Handle, consume.Retry{}), ticks, silent(), cfg)
}

func TestARebuildBetweenSingleMessagesAndThePositionLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Read the position, try the batch, each of three, then the position.
		for n := 2; n <= 8; n++ {
			s := newSystem(t, settings{})
			inbox := &between{Store: s.store, n: n}
			runner := s.over(inbox, consume.RunnerConfig{})
			s.view.setFail(func(m eventus.Message[ticked]) error {
				if m.Stream == tick("b") {
					return errors.New("not yet")
				}
				return nil
			})
			inbox.act = func() {
				s.view.setFail(nil)
				if err := s.runner.Rebuild(context.Background(), s.view.reset); err != nil {
					t.Error(err)
				}
			}
			appendTicks(t, s.store, "a", 1)
			appendTicks(t, s.store, "b", 1)
			appendTicks(t, s.store, "c", 1)
			s.run(runner.Run)
			settle(time.Hour)
			for _, id := range []string{"a", "b", "c"} {
				s.view.check(t, id, 1)
			}
			s.end()
		}
	})
}

func TestAFailedRedriveDoesNotBringBackALetterThatIsGone(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, s *system){
		"another redrive took it": func(t *testing.T, s *system) {
			if n, err := s.runner.Redrive(t.Context(), tick("a")); n != 2 || err != nil {
				t.Errorf("redriven: %d, %v", n, err)
			}
		},
		"a rebuild took it": func(t *testing.T, s *system) {
			if err := s.runner.Rebuild(t.Context(), s.view.reset); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t, settings{})
				defer s.end()
				s.view.setFail(func(m eventus.Message[ticked]) error {
					if m.Version == 2 {
						return consume.Permanent(errors.New("never"))
					}
					return nil
				})
				s.run(s.runner.Run)
				appendTicks(t, s.store, "a", 1, 2, 3)
				settle(time.Second)
				// The redrive itself, then the note of its failure.
				inbox := &between{Store: s.store, n: 2, act: func() { s.view.setFail(nil); act(t, s) }}
				if _, err := s.over(inbox, consume.RunnerConfig{}).Redrive(t.Context(), tick("a")); err == nil {
					t.Error("redriven")
				}
				appendTicks(t, s.store, "a", 4)
				settle(time.Hour)
				s.view.check(t, "a", 4)
				if letters := s.deadLetters(); len(letters) != 0 {
					t.Errorf("left: %+v", letters)
				}
			})
		})
	}
}

func TestPassingTroubleInARedriveKeepsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(alwaysPermanent)
		s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1)
		settle(time.Second)
		runner := s.over(&between{Store: s.store}, consume.RunnerConfig{})
		s.view.setFail(func(eventus.Message[ticked]) error { return errDown })
		if _, err := runner.Redrive(t.Context(), tick("a")); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		if letters := s.deadLetters(); len(letters) != 1 || letters[0].Error != "never" || letters[0].Attempts != 1 {
			t.Errorf("got %+v", letters)
		}
	})
}

func TestRedriveRefusesAStreamOfAnotherCategory(t *testing.T) {
	s := newSystem(t, settings{})
	defer s.end()
	if _, err := s.runner.Redrive(t.Context(), store.Stream{Category: "tock", ID: "a"}); err == nil {
		t.Error("no error")
	}
}

// slowPages is a log that takes its time for each page.
type slowPages struct{ *memory.Store }

func (l slowPages) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	time.Sleep(20 * time.Millisecond)
	return l.Store.ReadAll(ctx, after, limit)
}

func TestAPoisonMessageIsParkedHoweverLongAWalkTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Stream == tick("bad") {
				return errors.New("cannot")
			}
			return nil
		})
		appendTicks(t, s.store, "bad", 1)
		for n := range int64(2000) { // 40 s a walk, longer than the longest pause
			appendTicks(t, s.store, "good", n)
		}
		runner := consume.New(consume.Idempotent("view", s.store, s.view.Handle, consume.Retry{}), ticks, silent(), consume.RunnerConfig{Log: slowPages{s.store}, Batch: 1})
		s.run(runner.Run)
		settle(time.Hour)
		if letters := s.deadLetters(); len(letters) != 1 {
			t.Errorf("not parked after %d attempts", s.view.calls[tick("bad")])
		}
		s.view.check(t, "good", 2000)
	})
}

// hanging is a broker that delivers and then takes no settlement.
type hanging struct{ broker.Subscriber }

func (h hanging) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	s, err := h.Subscriber.Subscribe(ctx, name, topic, start)
	return hangingSubscription{s}, err
}

type hangingSubscription struct{ broker.Subscription }

func (h hangingSubscription) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	deliveries, err := h.Subscription.Fetch(ctx, limit)
	for i := range deliveries {
		deliveries[i] = hangingDelivery{deliveries[i]}
	}
	return deliveries, err
}

type hangingDelivery struct{ broker.Delivery }

func (hangingDelivery) Ack(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestABrokerThatHangsDoesNotHoldUpTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{noLog: true, subscriber: func(b broker.Subscriber) broker.Subscriber { return hanging{b} }})
		defer s.end()
		stop := s.run(s.runner.Run)
		synctest.Wait()
		for n := range int64(100) {
			appendTicks(t, s.store, "a", n)
		}
		settle(time.Millisecond)
		began := time.Now()
		stop()
		// In the bubble's time, which only waiting moves.
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}
