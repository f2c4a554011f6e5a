package consume

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/sethvargo/go-retry"
)

// Once is a handler whose effect happens once; made by [Idempotent].
type Once[Tx, E any] struct {
	consumer string
	inbox    store.Inbox[Tx]
	handler  func(ctx context.Context, tx Tx, m eventus.Message[E]) error
	policy   Retry
	alone    bool // each message has a transaction of its own
}

// Idempotent returns a consumer that calls handler once for each message,
// however often the message comes. It checks the consumer's mark of the stream
// before the call and moves it after, in the transaction that the handler writes
// in.
//
//	consume.Idempotent("prices", db, view.priceChanged, consume.Retry{})
//
// Handler is called as [Handler] describes. A value with a Handle method is
// given as v.Handle.
//
// The consumer's name is the key of its marks: a consumer that is renamed starts
// again at the beginning. It has 1 to 128 characters of a-z, A-Z, 0-9, '-' and
// '_'. Idempotent panics on any other name, on a nil inbox or handler, and on a
// negative value in retry.
func Idempotent[Tx, E any](consumer string, inbox store.Inbox[Tx], handler func(ctx context.Context, tx Tx, m eventus.Message[E]) error, retry Retry) *Once[Tx, E] {
	if err := store.CheckConsumer(consumer); err != nil {
		panic(fmt.Sprintf("consume: %v", err))
	}
	if inbox == nil || handler == nil {
		panic(fmt.Sprintf("consume: consumer %s has no inbox or no handler: give Idempotent both", consumer))
	}
	return &Once[Tx, E]{consumer: consumer, inbox: inbox, handler: handler, policy: retry.withDefaults()}
}

// AtLeastOnce is [Idempotent] for a handler whose effect lies outside of the
// database, such as a mail or a call of another service. The handler runs at
// least once for each message, in order, and never again after the mark is
// committed. A [Receiver] gives each message a transaction of its own, so that
// the failure of one message does not repeat the effects of others.
func AtLeastOnce[Tx, E any](consumer string, inbox store.Inbox[Tx], handler func(ctx context.Context, m eventus.Message[E]) error, retry Retry) *Once[Tx, E] {
	if handler == nil {
		panic(fmt.Sprintf("consume: consumer %s has no handler: give AtLeastOnce one", consumer))
	}
	once := Idempotent(consumer, inbox, func(ctx context.Context, _ Tx, m eventus.Message[E]) error { return handler(ctx, m) }, retry)
	once.alone = true
	return once
}

// Handle handles one message: for callers that bring their own messages. With a
// broker, a [Receiver] does more.
//
// A message that was handled before is passed over and gives nil. A message that
// comes too early gives [ErrGap], one of a stream that is parked [ErrParked], one
// with another id than the event that was handled at its version [ErrForked], and
// one without a stream or version [store.ErrInvalid].
//
// A failure is tried again, in place, as [Retry] says; the last error is
// returned, and nothing of the failed attempts remains. Passing trouble is tried
// again until ctx ends. A panic and runtime.Goexit of the handler are failures.
// It is safe for concurrent use.
func (o *Once[Tx, E]) Handle(ctx context.Context, m eventus.Message[E]) error {
	if err := m.Stream.Check(); err != nil {
		return err
	}
	if m.Version < 1 {
		return &store.InvalidError{Field: "version", Reason: fmt.Sprintf("%d, want 1 or more", m.Version)}
	}
	failures := 0
	return retry.Do(ctx, o.policy.pauses(), func(ctx context.Context) error {
		err := contain(func() error {
			return o.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error { return o.handle(ctx, tx, m) })
		})
		if err == nil || permanent(err) || errors.Is(err, ErrGap) || errors.Is(err, ErrParked) || errors.Is(err, ErrForked) {
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

func (o *Once[Tx, E]) handle(ctx context.Context, tx Tx, m eventus.Message[E]) error {
	marks, err := o.inbox.Marks(ctx, tx, o.consumer, []store.Stream{m.Stream})
	if err != nil {
		return err
	}
	mark := marks[0]
	switch placeOf(mark, m.Version, m.ID, "") {
	case duplicate:
		return nil
	case forked:
		return fmt.Errorf("%s version %d is event %q, and event %q was handled: %w", m.Stream, m.Version, m.ID, mark.EventID, ErrForked)
	}
	if mark.Reason != "" && mark.Reason != store.Gap {
		return fmt.Errorf("%s version %d: %w", m.Stream, m.Version, ErrParked)
	}
	if m.Version > mark.Version+1 {
		return &GapError{Stream: m.Stream, Want: mark.Version + 1, Version: m.Version}
	}
	if err := o.call(ctx, tx, m); err != nil {
		return err
	}
	return o.inbox.SetMarks(ctx, tx, o.consumer, []store.Mark{{Stream: m.Stream, Version: m.Version, EventID: m.ID}})
}

// contain runs f in a goroutine of its own, so that runtime.Goexit in f ends no
// more than that.
func contain(f func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { result <- err }()
		err = f()
	}()
	return <-result
}

// passing reports whether an error says nothing against the message. A lost race
// is such an error, because another writer was faster, and so is damage that the
// handler has met in what it reads.
func (o *Once[Tx, E]) passing(err error) bool {
	return transient(err) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrDamaged) || o.inbox.IsTransient(err)
}

// call runs the handler and turns its panic into an error, so that one message
// cannot end the process, and with it the work on all others, again and again.
func (o *Once[Tx, E]) call(ctx context.Context, tx Tx, m eventus.Message[E]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return o.handler(eventus.ContinueFrom(ctx, m), tx, m)
}
