package consume

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/store"
)

// suspectDelivery is the delivery from which on a message may be the one that
// ended the process: it was delivered twice, the second time alone in its
// transaction, and neither came to an end.
const suspectDelivery = 3

// process handles a batch. Messages that come for the first time share a
// transaction. When that fails, and for messages that were delivered before, each
// message gets a transaction of its own, and the one to blame waits in the inbox.
func (r *Receiver[Tx, E]) process(work context.Context, batch []*arrival) error {
	for len(batch) > 0 {
		n := 1
		for !r.once.alone && batch[0].delivery.Attempt() == 1 && n < len(batch) && batch[n].delivery.Attempt() == 1 {
			n++
		}
		if err := r.processTogether(work, batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

func (r *Receiver[Tx, E]) processTogether(work context.Context, batch []*arrival) error {
	if len(batch) > 1 && r.commit(work, batch) == nil {
		r.settle(work, batch)
		return nil
	}
	for _, a := range batch {
		if err := r.commit(work, []*arrival{a}); err != nil {
			if err := r.blame(work, a, err); err != nil {
				return err
			}
		}
		r.settle(work, []*arrival{a})
	}
	return nil
}

// commit handles messages in one transaction with their marks. On an error
// nothing of it remains; a [*failure] says that a handler is to blame.
func (r *Receiver[Tx, E]) commit(work context.Context, batch []*arrival) error {
	var called atomic.Bool
	// The transaction works on copies: it may go on when nobody waits for it.
	l := &ledger[Tx, E]{r: r, called: &called}
	for _, a := range batch {
		copied := *a
		l.batch = append(l.batch, &copied)
	}
	err := r.transact(work, l.run)
	if err == nil {
		for i, a := range batch {
			a.left = l.batch[i].left
		}
		l.committed()
		return nil
	}
	var struck *failure
	if called.Load() && !errors.As(err, &struck) && work.Err() == nil {
		// A commit that the handler's own writes may have spoilt, such as by a
		// deferred constraint, or its time is over.
		err = &failure{err}
	}
	return err
}

// blame puts a message that failed into the inbox, to be tried again. It returns
// the error when the database is to blame, or time is over.
func (r *Receiver[Tx, E]) blame(work context.Context, a *arrival, cause error) error {
	if err := work.Err(); err != nil {
		return err
	}
	var struck *failure
	if !errors.As(cause, &struck) {
		return cause
	}
	q, after := r.verdict(0, 0, struck.err)
	a.refused, a.retryAfter = &q, after
	if err := r.commit(work, []*arrival{a}); err != nil {
		return errors.Join(cause, err)
	}
	return nil
}

// verdict decides what a failure means for a message that had failed attempts
// times and has waited for a time.
func (r *Receiver[Tx, E]) verdict(attempts int, waited time.Duration, cause error) (q store.Queue, retryAfter time.Duration) {
	q = store.Queue{Reason: store.Waiting, Error: cause.Error(), Attempts: attempts}
	switch {
	case permanent(cause):
		q.Attempts++
		q.Reason = store.Poison
	case r.once.passing(cause):
		// Not counted, so that the pause grows with the time.
		retryAfter = min(max(r.once.policy.BaseDelay, waited/4), r.once.policy.MaxDelay)
	default:
		q.Attempts++
		if q.Attempts >= r.once.policy.MaxAttempts {
			q.Reason = store.Poison
		}
		retryAfter = r.once.policy.delay(q.Attempts)
	}
	return q, retryAfter
}
