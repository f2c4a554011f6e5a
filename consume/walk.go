package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// sweep walks the log from the position up to which the consumer has seen all,
// and handles what it has not. The position follows behind, up to the first
// message that is not done.
func (r *Runner[Tx, E]) sweep(ctx, work context.Context) error {
	if r.cfg.Log == nil {
		return nil
	}
	after, err := r.markOf(work, r.position())
	if err != nil {
		return fmt.Errorf("read the position in the log: %w", err)
	}
	contiguous := true
	for ctx.Err() == nil {
		page, err := r.cfg.Log.ReadAll(work, after, r.cfg.Batch)
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
	outcomes, err := r.process(ctx, own, s)
	if err != nil {
		return false, err
	}
	undone := slices.IndexFunc(outcomes, func(o outcome) bool { return !o.done() })
	if s == nil || s.moved {
		return undone < 0, nil
	}
	done := own
	if undone >= 0 {
		done, s.upTo = own[:undone], own[undone].Position-1
	}
	// Looked at again in the transaction that moves the position: a rebuild
	// may have taken back what was done when they were handled.
	_, err = r.applyBatch(ctx, done, s)
	return undone < 0 && s.moved, err
}

// position is the stream whose mark is the consumer's position in the log, as
// far as this runner's category goes.
func (r *Runner[Tx, E]) position() store.Stream {
	return store.Stream{Category: r.source.Category()}
}

// Rebuild sets the consumer back to the beginning, in all its categories: its
// marks and dead letters go, and reset, which may be nil, empties the read model,
// in one transaction. Run then builds it anew from the log, with what is
// published meanwhile, each message once. It may be called before Run, or while
// Run runs, there or in another process, which takes note within Sweep.
//
// Until the walk is through, readers see a partial model. To have the old one
// serve meanwhile, give the new model a new consumer name instead.
func (r *Runner[Tx, E]) Rebuild(ctx context.Context, reset func(ctx context.Context, tx Tx) error) error {
	if r.cfg.Log == nil {
		return errors.New("a rebuild reads the log; set Config.Log")
	}
	err := r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := r.once.inbox.Reset(ctx, tx, r.once.consumer); err != nil {
			return err
		}
		if reset == nil {
			return nil
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
