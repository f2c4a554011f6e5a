package consume

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

const (
	duePage = 100
	// lookInterval is the time between two counts of what waits.
	lookInterval = 5 * time.Second
)

// note is a try of a queue whose end could not be written down.
type note struct {
	attempts int // in the row
	base     int // before the try
}

type notes map[store.Stream]note

// crashNote is the error of a queue while it is tried. If it is found there, the
// process ended in the middle.
const crashNote = "the process ended while it handled this message"

// crashWeight is how many attempts a try counts that ended the process: three
// such tries make a message poison, so that it is parked by the fifth restart.
func (r *Receiver[Tx, E]) crashWeight() int { return (r.once.policy.MaxAttempts + 2) / 3 }

// workQueues tries what waits in the inbox, and keeps the inbox tidy, until ctx
// ends. It shares nothing with the goroutine of live messages but the database,
// so that neither holds up the other.
func (r *Receiver[Tx, E]) workQueues(ctx, work context.Context) {
	failures := pause.AfterFailures()
	var looked time.Time
	for ctx.Err() == nil {
		err := r.workDue(ctx, work)
		if err == nil && time.Since(looked) >= lookInterval {
			looked = time.Now()
			err = r.look(ctx, work)
		}
		if err == nil {
			failures = pause.AfterFailures()
			r.rest(ctx)
			continue
		}
		if ctx.Err() == nil {
			d, _ := failures.Next()
			r.log.Warn("parked streams are not tried for now", slog.Any("error", err), slog.Duration("pause", d))
			pause.Wait(ctx, d, nil)
		}
	}
}

// alarm has the queues looked at after a time.
func (r *Receiver[Tx, E]) alarm(after time.Duration) {
	if after >= r.cfg.MaxPollInterval {
		return
	}
	time.AfterFunc(after, func() {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	})
}

// rest waits for the next look at the queues.
func (r *Receiver[Tx, E]) rest(ctx context.Context) {
	timer := time.NewTimer(r.cfg.MaxPollInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-timer.C:
	}
}

// workDue tries every queue whose time has come.
func (r *Receiver[Tx, E]) workDue(ctx, work context.Context) error {
	for ctx.Err() == nil {
		due, err := r.inbox.DueQueues(ctx, r.once.consumer, r.categories(), duePage)
		if err != nil {
			return err
		}
		for _, q := range due {
			if ctx.Err() != nil {
				return nil
			}
			if err := r.try(ctx, work, q.Stream); err != nil {
				return err
			}
		}
		if len(due) < duePage {
			return nil
		}
	}
	return nil
}

// try handles the messages of a queue, in order, until it is empty or one of them
// cannot be handled. Each try is noted before it is made, so that the next
// process knows of one that ended this process.
func (r *Receiver[Tx, E]) try(ctx, work context.Context, s store.Stream) error {
	q, ok, err := r.begin(work, s)
	if err != nil || !ok {
		return err
	}
	limit := r.cfg.BatchSize
	if r.once.alone || q.Attempts > 0 || q.Error != "" {
		limit = 1
	}
	for {
		d, err := r.drain(work, q, limit)
		if err == nil && d.flows {
			delete(r.notes, s)
			return nil
		}
		if err == nil {
			q.Attempts, q.Error, q.Since = 0, "", time.Now()
			if !r.once.alone {
				limit = r.cfg.BatchSize
			}
			if ctx.Err() == nil {
				continue
			}
			err = ctx.Err()
		}
		var struck *failure
		if work.Err() == nil && errors.As(err, &struck) {
			if limit > 1 {
				limit = 1 // to find the one to blame
				continue
			}
			next, after := r.verdict(q.Attempts, time.Since(q.Since), struck.err)
			return r.end(work, q, next, after)
		}
		// Nothing speaks against the message.
		r.notes[s] = note{q.Attempts + r.crashWeight(), q.Attempts}
		restored := store.Queue{Reason: store.Waiting, Error: q.Error, Attempts: q.Attempts}
		brief, cancel := context.WithTimeout(context.WithoutCancel(work), settleTime)
		defer cancel()
		if end := r.end(brief, q, restored, 0); end != nil || ctx.Err() != nil {
			return end
		}
		return err
	}
}

// begin notes that a queue is tried, and returns it as it was before. It reports
// false when there is nothing to try.
func (r *Receiver[Tx, E]) begin(work context.Context, s store.Stream) (q store.Queue, ok bool, err error) {
	crashed := false
	err = r.transact(work, func(ctx context.Context, tx Tx) (err error) {
		if _, err = r.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{s}); err != nil {
			return err
		}
		if q, ok, err = r.inbox.FindQueue(ctx, tx, r.once.consumer, s); err != nil || !ok {
			return err
		}
		if ok = q.Due && q.Reason.Retries(); !ok {
			return nil
		}
		if n, noted := r.notes[s]; noted && n.attempts == q.Attempts {
			q.Attempts = n.base
		}
		tried := q
		if crashed = q.Attempts >= r.once.policy.MaxAttempts; crashed {
			tried.Reason = store.Poison
			q = tried
			return r.inbox.SetQueue(ctx, tx, tried, 0)
		}
		tried.Reason, tried.Attempts = store.Waiting, q.Attempts+r.crashWeight()
		if !strings.HasPrefix(q.Error, crashNote) {
			tried.Error = strings.TrimSuffix(crashNote+"; before that: "+q.Error, "; before that: ")
		}
		return r.inbox.SetQueue(ctx, tx, tried, 2*r.cfg.TransactionTimeout)
	})
	if err == nil && crashed {
		r.logParked(q, 0)
		return q, false, nil
	}
	return q, ok, err
}

// end writes down how the try of a queue ended, unless somebody else has changed
// its state meanwhile.
func (r *Receiver[Tx, E]) end(work context.Context, q, next store.Queue, retryAfter time.Duration) error {
	written := false
	err := r.transact(work, func(ctx context.Context, tx Tx) error {
		marks, err := r.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{q.Stream})
		if err != nil || marks[0].Reason != store.Waiting {
			return err
		}
		next.Consumer, next.Stream, next.Version = q.Consumer, q.Stream, marks[0].Version+1
		written = true
		return r.inbox.SetQueue(ctx, tx, next, retryAfter)
	})
	if err != nil {
		return err
	}
	delete(r.notes, q.Stream)
	if written && (next.Error != q.Error || next.Reason == store.Poison) {
		r.logParked(next, retryAfter)
	}
	r.alarm(retryAfter)
	return nil
}
