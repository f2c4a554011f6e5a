package consume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/sethvargo/go-retry"
)

// Retry says how often and how soon a failed message is tried again. The zero
// value is ready for use.
type Retry struct {
	// MaxAttempts is how many failures of one message make it poison. Passing
	// trouble with the database, a lost race ([store.ErrConflict]) and what the
	// handler calls [Transient] are not counted.
	//
	// Default 10, which takes about a minute.
	MaxAttempts int
	// BaseDelay is the pause before the second attempt. It doubles for each
	// further one.
	//
	// Default 100 ms.
	BaseDelay time.Duration
	// MaxDelay is the longest pause.
	//
	// Default 30 s.
	MaxDelay time.Duration
}

// withDefaults replaces zeros. It panics on negative values.
func (r Retry) withDefaults() Retry {
	if r.MaxAttempts < 0 || r.BaseDelay < 0 || r.MaxDelay < 0 {
		panic(fmt.Sprintf("consume: %+v has a negative value; use 0 for the default", r))
	}
	r.MaxAttempts = cmp.Or(r.MaxAttempts, 10)
	r.BaseDelay = cmp.Or(r.BaseDelay, 100*time.Millisecond)
	r.MaxDelay = cmp.Or(r.MaxDelay, 30*time.Second)
	return r
}

func (r Retry) pauses() retry.Backoff {
	return retry.WithCappedDuration(r.MaxDelay, retry.WithJitterPercent(10, retry.NewExponential(r.BaseDelay)))
}

// Once is a handler whose effect happens once; made by [Idempotent].
type Once[Tx, E any] struct {
	consumer string
	inbox    store.Inbox[Tx]
	handler  Handler[Tx, E]
	policy   Retry
}

// Idempotent makes the effect of a handler happen once for each message, however
// often the message comes: the consumer's mark for the stream is checked before
// and moved after, in the transaction that the handler writes in.
//
// A consumer is named once and for ever; its name is the key of its marks. It
// has 1 to 128 characters of a-z, A-Z, 0-9, '-' and '_'. Idempotent panics on
// another, and when the inbox or the handler is nil.
func Idempotent[Tx, E any](consumer string, inbox store.Inbox[Tx], h Handler[Tx, E], policy Retry) *Once[Tx, E] {
	if err := store.CheckConsumer(consumer); err != nil {
		panic(fmt.Sprintf("consume: %v", err))
	}
	if inbox == nil || h == nil {
		panic(fmt.Sprintf("consume: consumer %s needs an inbox and a handler; one of them is nil", consumer))
	}
	return &Once[Tx, E]{consumer: consumer, inbox: inbox, handler: h, policy: policy.withDefaults()}
}

// Handle handles one message: for callers that bring their own messages. With a
// broker, [Runner] does more.
//
// A message that was handled before is passed over and gives nil. One that
// comes too early gives [ErrGap], one behind a dead letter [ErrParked], one
// without a stream or version [store.ErrInvalid]. A failure is tried again, in
// place, as [Retry] says; the last error is returned, and nothing of the failed
// attempts remains. Passing trouble is tried again until ctx ends. It is safe
// for concurrent use.
func (o *Once[Tx, E]) Handle(ctx context.Context, m eventus.Message[E]) error {
	if err := m.Stream.Check(); err != nil {
		return err
	}
	if m.Version < 1 {
		return &store.InvalidError{Field: "version", Reason: fmt.Sprintf("%d, want 1 or more", m.Version)}
	}
	failures := 0
	return retry.Do(ctx, o.policy.pauses(), func(ctx context.Context) error {
		err := o.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
			marks, err := o.inbox.Marks(ctx, tx, o.consumer, []store.Stream{m.Stream})
			if err != nil {
				return err
			}
			switch mark := marks[0]; {
			case m.Version <= mark.Version:
				return nil
			case mark.Parked:
				return fmt.Errorf("%s version %d: %w", m.Stream, m.Version, ErrParked)
			case m.Version > mark.Version+1:
				return &GapError{Stream: m.Stream, Want: mark.Version + 1, Version: m.Version}
			}
			if err := o.call(ctx, tx, m); err != nil {
				return err
			}
			return o.inbox.SetMarks(ctx, tx, o.consumer, []store.Mark{{Stream: m.Stream, Version: m.Version}})
		})
		if err == nil || permanent(err) || errors.Is(err, ErrGap) || errors.Is(err, ErrParked) {
			return err
		}
		if !o.passing(err) {
			failures++
		}
		if failures == o.policy.MaxAttempts {
			return err
		}
		return retry.RetryableError(err)
	})
}

// passing reports whether an error says nothing against the message.
func (o *Once[Tx, E]) passing(err error) bool { return transient(err) || o.inbox.Transient(err) }

// call runs the handler and turns its panic into an error, so that one message
// cannot end the process, and with it the work on all others, again and again.
func (o *Once[Tx, E]) call(ctx context.Context, tx Tx, m eventus.Message[E]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return o.handler.Handle(eventus.ContinueFrom(ctx, m), tx, m)
}
