package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// sweep walks the log from the position up to which the consumer has seen all,
// and handles what it has not. The position follows behind, up to the first
// message that is not done.
func (r *Runner[Tx, E]) sweep(ctx, work context.Context) error {
	if r.Log == nil {
		return nil
	}
	after, err := r.markOf(work, store.Stream{})
	if err != nil {
		return fmt.Errorf("read the position in the log: %w", err)
	}
	contiguous := true
	for ctx.Err() == nil {
		page, err := r.Log.ReadAll(work, after, r.Batch)
		if err != nil {
			return fmt.Errorf("read the log after position %d: %w", after, err)
		}
		if len(page) == 0 {
			return nil
		}
		last := page[len(page)-1].Position
		s := &stretch{after: after, upTo: last}
		if !contiguous {
			s = nil
		}
		complete, err := r.walk(work, page, s)
		if err != nil {
			return err
		}
		contiguous = contiguous && complete
		after = last
	}
	return nil
}

// walk handles a page of the log and reports whether all of it is done. Given
// the stretch that the page is, it moves the consumer's position over what is
// done.
func (r *Runner[Tx, E]) walk(ctx context.Context, page []store.Message, s *stretch) (complete bool, err error) {
	own := make([]store.Message, 0, len(page))
	for i := range page {
		if page[i].Stream.Category == r.source.Category() {
			own = append(own, page[i])
		}
	}
	outcomes, err := r.handle(ctx, own, s)
	if err != nil {
		return false, err
	}
	undone := slices.IndexFunc(outcomes, func(o outcome) bool { return !o.done() })
	if s == nil || s.moved {
		return undone < 0, nil
	}
	if undone >= 0 {
		s.upTo = own[undone].Position - 1
	}
	_, err = r.apply(ctx, nil, s)
	return undone < 0, err
}

// nextSweep returns when to walk the log again: after Sweep, or sooner for a
// stream that waits for a retry, because the broker may not hold its message.
func (r *Runner[Tx, E]) nextSweep() time.Time {
	now := r.now()
	next := now.Add(r.Sweep)
	// One that is long overdue was handled by another member of the consumer.
	r.waiting.prune(now.Add(-r.once.retry.Cap))
	if due, ok := r.waiting.soonest(); ok && r.Log != nil && due.Before(next) {
		return later(due, now.Add(r.once.retry.Base))
	}
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Rebuild sets the consumer back to the beginning: its marks and dead letters go,
// and reset empties the read model, in one transaction. Run then builds it anew
// from the log, with what is published meanwhile, each message once. It may be
// called while Run runs, there or in another process, which takes note within
// Sweep; and before.
//
// Until the walk is through, readers see a partial model. To have the old one
// serve meanwhile, give the new model a new consumer name instead.
func (r *Runner[Tx, E]) Rebuild(ctx context.Context, reset func(ctx context.Context, tx Tx) error) error {
	if r.Log == nil {
		return errors.New("a rebuild reads the log; set Config.Log")
	}
	err := r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := r.once.inbox.Forget(ctx, tx, r.once.consumer); err != nil {
			return err
		}
		return reset(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", r.once.consumer, err)
	}
	select {
	case r.rebuilt <- struct{}{}:
	default:
	}
	return nil
}
