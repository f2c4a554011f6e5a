package consume_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func (v *view) reset(_ context.Context, tx *memory.Tx) error {
	tx.OnCommit(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		clear(v.versions)
	})
	return nil
}

func TestANewConsumerIsBuiltFromTheWholeLogAndGoesOnLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{config: consume.RunnerConfig{Batch: 7}})
		defer s.end()
		for n := range int64(100) {
			appendTicks(t, s.store, fmt.Sprint(n%10), n)
		}
		// Other categories stand between in the log.
		e := encode(t, 1)
		if _, err := s.store.Append(t.Context(), store.Stream{Category: "other", ID: "0"}, store.Any, []store.Event{e}); err != nil {
			t.Fatal(err)
		}
		settle(time.Minute)
		s.run(s.runner.Run)
		for n := range int64(100) {
			appendTicks(t, s.store, fmt.Sprint(n%10), n)
			if n%9 == 0 {
				synctest.Wait()
			}
		}
		settle(time.Second)
		for id := range 10 {
			s.view.check(t, fmt.Sprint(id), 20)
		}
	})
}

func TestARebuildMissesAndDoublesNothingAtTheSeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{config: consume.RunnerConfig{Batch: 7}})
		defer s.end()
		s.run(s.runner.Run)
		appended := int64(0)
		burst := func() {
			for range 40 {
				appended++
				appendTicks(t, s.store, fmt.Sprint(appended%4), appended)
			}
		}
		for range 5 {
			burst()
			if err := s.runner.Rebuild(t.Context(), s.view.reset); err != nil {
				t.Fatal(err)
			}
			burst()
			settle(time.Second)
			for id := range 4 {
				s.view.check(t, fmt.Sprint(id), appended/4)
			}
		}
	})
}

func TestARebuildTakesBackWhatWasParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.view.setFail(alwaysPermanent)
		s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1, 2)
		settle(time.Second)
		if len(s.deadLetters()) != 1 {
			t.Fatal("nothing parked")
		}
		s.view.setFail(nil)
		if err := s.runner.Rebuild(t.Context(), s.view.reset); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		s.view.check(t, "a", 2)
		if letters := s.deadLetters(); len(letters) != 0 {
			t.Errorf("left: %+v", letters)
		}
	})
}

func TestAFailedResetSetsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		s.run(s.runner.Run)
		appendTicks(t, s.store, "a", 1)
		settle(time.Second)
		no := errors.New("no")
		if err := s.runner.Rebuild(t.Context(), func(context.Context, *memory.Tx) error { return no }); !errors.Is(err, no) {
			t.Errorf("got %v", err)
		}
		appendTicks(t, s.store, "a", 2)
		settle(time.Minute)
		s.view.check(t, "a", 2)
	})
}

func TestARebuildNeedsTheLog(t *testing.T) {
	s := memory.New()
	r := consume.New(consume.Idempotent("view", s, newView().Handle, consume.Retry{}), ticks, broker.Subscriber(deaf{}), consume.RunnerConfig{})
	if err := r.Rebuild(t.Context(), newView().reset); err == nil {
		t.Error("rebuilt from nothing")
	}
}

// A page of the log that was read before the consumer was set back must not
// move its position: the walk of the rebuild would begin behind it.
func TestAWalkThatIsOvertakenByARebuildMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, settings{})
		defer s.end()
		for n := range int64(10) {
			appendTicks(t, s.store, fmt.Sprint(n), n)
		}
		log := &slowLog{Store: s.store, read: make(chan struct{}), resume: make(chan struct{})}
		runner := consume.New(consume.Idempotent("view", s.store, s.view.Handle, consume.Retry{}), ticks, silent(),
			consume.RunnerConfig{Log: log, Batch: 4, Sweep: time.Hour})
		s.run(runner.Run)
		for range 2 { // two pages through, the third in hand
			<-log.read
			log.resume <- struct{}{}
		}
		<-log.read
		rebuilder := consume.New(consume.Idempotent("view", s.store, s.view.Handle, consume.Retry{}), ticks, s.broker, consume.RunnerConfig{Log: s.store})
		if err := rebuilder.Rebuild(t.Context(), s.view.reset); err != nil {
			t.Fatal(err)
		}
		close(log.resume)
		go func() {
			for range log.read {
			}
		}()
		settle(2 * time.Hour)
		close(log.read)
		for id := range 10 {
			s.view.check(t, fmt.Sprint(id), 1)
		}
	})
}

// slowLog hands out a page of the log only when told to, after it was read.
type slowLog struct {
	*memory.Store
	read, resume chan struct{}
}

func (l *slowLog) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	page, err := l.Store.ReadAll(ctx, after, limit)
	select {
	case l.read <- struct{}{}:
	case <-ctx.Done():
	}
	<-l.resume
	return page, err
}
