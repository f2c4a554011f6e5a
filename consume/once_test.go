package consume_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func message(id string, version int64) eventus.Message[ticked] {
	return eventus.Message[ticked]{ID: "e", Stream: tick(id), Version: version, Event: ticked{version}}
}

func TestHandleHandlesEachVersionOnceAndInOrder(t *testing.T) {
	s, v := memory.New(), newView()
	var h eventus.Handler[ticked] = consume.Idempotent("view", s, v.Handle, consume.Retry{})
	for _, step := range []struct {
		version int64
		want    error
	}{{1, nil}, {1, nil}, {3, consume.ErrGap}, {2, nil}, {1, nil}, {3, nil}, {3, nil}} {
		if err := h.Handle(t.Context(), message("a", step.version)); !errors.Is(err, step.want) {
			t.Errorf("version %d: %v, want %v", step.version, err, step.want)
		}
	}
	v.check(t, "a", 3)
	var gap *consume.GapError
	err := h.Handle(t.Context(), message("a", 9))
	if !errors.As(err, &gap) || gap.Want != 4 || gap.Version != 9 || gap.Stream != tick("a") {
		t.Errorf("got %v", err)
	}
}

func TestHandleRefusesAnotherHistory(t *testing.T) {
	s, v := memory.New(), newView()
	h := consume.Idempotent("view", s, v.Handle, consume.Retry{})
	m := message("a", 1)
	if err := h.Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.ID = "another"
	if err := h.Handle(t.Context(), m); !errors.Is(err, consume.ErrForked) {
		t.Errorf("got %v", err)
	}
	v.check(t, "a", 1)
}

func TestHandleOutlivesAHandlerThatCallsGoexit(t *testing.T) {
	s := memory.New()
	goexit := func(context.Context, *memory.Tx, eventus.Message[ticked]) error { runtime.Goexit(); return nil }
	h := consume.Idempotent("view", s, goexit, consume.Retry{MaxAttempts: 1})
	if err := h.Handle(t.Context(), message("a", 1)); err == nil {
		t.Error("no error")
	}
}

func TestHandleTriesAgainAndLeavesNothingOfAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := memory.New(), newView()
		failures, no := 0, errors.New("no")
		v.setFail(func(eventus.Message[ticked]) error {
			if failures++; failures < 4 {
				return no
			}
			return nil
		})
		h := consume.Idempotent("view", s, v.Handle, consume.Retry{MaxAttempts: 5})
		if err := h.Handle(t.Context(), message("a", 1)); err != nil {
			t.Fatal(err)
		}
		v.check(t, "a", 1)

		v.setFail(func(eventus.Message[ticked]) error { return no })
		before := v.calls[tick("a")]
		if err := h.Handle(t.Context(), message("a", 2)); !errors.Is(err, no) {
			t.Errorf("got %v", err)
		}
		if got := v.calls[tick("a")] - before; got != 5 {
			t.Errorf("%d attempts, want 5", got)
		}
		v.setFail(alwaysPermanent)
		before = v.calls[tick("a")]
		if err := h.Handle(t.Context(), message("a", 2)); err == nil || v.calls[tick("a")]-before != 1 {
			t.Errorf("a permanent error: %v after %d attempts", err, v.calls[tick("a")]-before)
		}
		v.check(t, "a", 1)
	})
}

func TestHandleDoesNotOvertakeDeadLetters(t *testing.T) {
	s, v := memory.New(), newView()
	err := s.InTx(t.Context(), func(ctx context.Context, tx *memory.Tx) error {
		return s.SetQueue(ctx, tx, store.Queue{Consumer: "view", Stream: tick("a"), Version: 1, Reason: store.Poison}, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	h := consume.Idempotent("view", s, v.Handle, consume.Retry{})
	if err := h.Handle(t.Context(), message("a", 1)); !errors.Is(err, consume.ErrParked) {
		t.Errorf("got %v", err)
	}
	v.check(t, "a", 0)
}

func TestConcurrentCopiesOfAMessageHaveOneEffect(t *testing.T) {
	s, v := memory.New(), newView()
	h := consume.Idempotent("view", s, v.Handle, consume.Retry{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := h.Handle(t.Context(), message("a", 1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	v.check(t, "a", 1)
}

func TestConsumersOfOneInboxDoNotMeet(t *testing.T) {
	s, v, w := memory.New(), newView(), newView()
	for _, h := range []eventus.Handler[ticked]{
		consume.Idempotent("view", s, v.Handle, consume.Retry{}), consume.Idempotent("other", s, w.Handle, consume.Retry{}),
	} {
		if err := h.Handle(t.Context(), message("a", 1)); err != nil {
			t.Fatal(err)
		}
	}
	v.check(t, "a", 1)
	w.check(t, "a", 1)
}

func TestHandleDoesNotCountPassingTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := memory.New(), newView()
		began := time.Now()
		inbox := &troubled{Store: s, down: func() bool { return time.Since(began) < time.Hour }}
		v.setFail(func(eventus.Message[ticked]) error {
			if time.Since(began) < 2*time.Hour {
				return consume.Transient(errors.New("the mail server is down"))
			}
			return nil
		})
		h := consume.Idempotent("view", inbox, v.Handle, consume.Retry{})
		if err := h.Handle(t.Context(), message("a", 1)); err != nil {
			t.Fatal(err)
		}
		v.check(t, "a", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began = time.Now()
		if err := h.Handle(ctx, message("a", 2)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHandleRefusesAMessageWithoutAStreamOrVersion(t *testing.T) {
	s, v := memory.New(), newView()
	h := consume.Idempotent("view", s, v.Handle, consume.Retry{})
	for name, m := range map[string]eventus.Message[ticked]{
		"no stream":     {Version: 1},
		"no stream id":  {Version: 1, Stream: store.Stream{Category: "tick"}},
		"version 0":     message("a", 0),
		"version below": message("a", -1),
	} {
		if err := h.Handle(t.Context(), m); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(v.calls) != 0 {
		t.Errorf("handled: %v", v.calls)
	}
}

func TestMistakesInTheWiringPanicAtOnce(t *testing.T) {
	s, v := memory.New(), newView()
	for name, wire := range map[string]func(){
		"a name with a dot": func() { consume.Idempotent("a.b", s, v.Handle, consume.Retry{}) },
		"no handler":        func() { consume.Idempotent[*memory.Tx, ticked]("a", s, nil, consume.Retry{}) },
		"no inbox":          func() { consume.Idempotent[*memory.Tx, ticked]("a", nil, v.Handle, consume.Retry{}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			wire()
		})
	}
}

func TestPermanentAndTransientOfNilAreNil(t *testing.T) {
	if consume.Permanent(nil) != nil || consume.Transient(nil) != nil {
		t.Error("not nil")
	}
}
