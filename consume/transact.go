package consume

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/store"
)

// handlerError is an error of a handler or a decoder, in a chunk of messages.
// Other errors of a transaction are the database's.
type handlerError struct {
	first, n int // the messages that the handler was called for
	err      error
}

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

var (
	// errHung is the error of a transaction whose handler does not return.
	errHung = errors.New("a handler has not returned although its context has ended")
	// errBusy is that of one which the database has not begun in time: somebody
	// else holds what it needs. No handler was called.
	errBusy = errors.New("the database has not begun a transaction in half of Config.LeaseDuration")
	// errSlowCommit is that of one which the database does not end.
	errSlowCommit = fmt.Errorf("the database does not end a transaction: %w", context.DeadlineExceeded)
)

// stage is how far a transaction has come.
type stage struct{ atomic.Int32 }

const (
	notBegun int32 = iota
	handling
	committing
)

// expired returns the error of a transaction whose time is over.
func (s *stage) expired() error {
	switch s.Load() {
	case notBegun:
		return errBusy
	case handling:
		return errHung
	}
	return errSlowCommit
}

// transact runs f in a transaction and advances the segment to the place that f
// returns, which renews the lease. It fails with [store.ErrClaimLost] when the
// segment belongs to another member by now: nothing of f remains then.
//
// f has half of the lease. It runs in a goroutine of its own, so that a handler
// that calls runtime.Goexit or never returns ends no more than its transaction.
// One that is given up may still run while the worker goes on: f must not use
// what the worker changes, and what it leaves in variables around it may be read
// only when transact returns nil.
func (w *worker[Tx]) transact(work context.Context, f func(ctx context.Context, tx Tx) (to store.Progress, err error)) error {
	started, claim := time.Now(), w.claim
	ctx, cancel := context.WithTimeout(work, w.cfg.LeaseDuration/2)
	defer cancel()
	type outcome struct {
		to  store.Progress
		err error
	}
	result := make(chan outcome, 1)
	var at stage
	go func() {
		o := outcome{err: &handlerError{err: errors.New("the handler called runtime.Goexit")}}
		defer func() { result <- o }()
		var to store.Progress
		err := w.db.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
			at.Store(handling)
			to, err = f(ctx, tx)
			at.Store(committing)
			if err != nil {
				return err
			}
			return w.db.Advance(ctx, tx, claim, to, w.cfg.LeaseDuration)
		})
		o = outcome{to, err}
	}()
	var o outcome
	select {
	case o = <-result:
	case <-ctx.Done():
		timer := time.NewTimer(w.cfg.LeaseDuration / 8)
		defer timer.Stop()
		select {
		case o = <-result:
		case <-timer.C:
			return at.expired()
		}
	}
	if o.err != nil && at.Load() == notBegun && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errBusy, o.err)
	}
	if o.err != nil {
		return o.err
	}
	w.claim.Position, w.at, w.storedAt = o.to.Position, o.to, started
	w.tell(w.claim.Segment, reached{position: o.to.Position, segments: w.segments, parked: w.anyParked})
	return nil
}

// inPlace runs f in a transaction that leaves the segment where it is. What
// transact says of f holds here too.
func (w *worker[Tx]) inPlace(work context.Context, f func(ctx context.Context, tx Tx) error) error {
	at := w.at
	return w.transact(work, func(ctx context.Context, tx Tx) (store.Progress, error) { return at, f(ctx, tx) })
}

// call calls the handlers of a chunk in tx and returns how many messages it has
// come through. It stops early when batchTime has passed. Messages of parked
// streams are passed over.
func (w *worker[Tx]) call(ctx context.Context, tx Tx, chunk []item[Tx], parked map[store.Stream]bool, current *calls) (int, error) {
	enough := time.Now().Add(min(batchTime, w.cfg.LeaseDuration/4))
	for i := 0; i < len(chunk); {
		if i > 0 && time.Now().After(enough) {
			return i, nil
		}
		it := &chunk[i]
		if it.passes || parked[it.Stream] {
			i++
			continue
		}
		if it.err != nil {
			return i, &handlerError{i, 1, it.err}
		}
		typed := []any{it.typed}
		for it.route.batched && i+len(typed) < len(chunk) {
			other := &chunk[i+len(typed)]
			if other.route != it.route || other.passes || parked[other.Stream] || other.err != nil {
				break
			}
			typed = append(typed, other.typed)
		}
		current.first.Store(int64(i))
		current.n.Store(int64(len(typed)))
		if err := w.invoke(ctx, tx, it.route, typed); err != nil {
			return i, &handlerError{i, len(typed), err}
		}
		i += len(typed)
	}
	return len(chunk), nil
}

// invoke calls a handler and turns its panic into an error, so that one message
// cannot end the process, and with it the work on all others, again and again.
func (w *worker[Tx]) invoke(ctx context.Context, tx Tx, route *Route[Tx], typed []any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if err := route.handle(ctx, tx, typed); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the handler took longer than %v, half of Config.LeaseDuration: %w", w.cfg.LeaseDuration/2, ctx.Err())
	}
	return nil
}
