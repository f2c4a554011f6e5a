package consume

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/store"
)

// drained is what became of a queue in a transaction.
type drained struct {
	flows   bool         // there is no more to try
	parked  *store.Queue // it waits for another reason now
	delay   time.Duration
	handled int64
	types   []string
}

// drain handles up to limit messages of a queue in one transaction. It leaves
// the queue with the note of the next try, or deletes it when it is empty.
func (r *Receiver[Tx, E]) drain(work context.Context, q store.Queue, limit int) (drained, error) {
	var result drained
	var called atomic.Bool
	err := r.transact(work, func(ctx context.Context, tx Tx) error {
		d, err := r.drainIn(ctx, tx, q, limit, &called)
		result = d
		return err
	})
	var struck *failure
	if err != nil && called.Load() && !errors.As(err, &struck) && work.Err() == nil {
		err = &failure{err}
	}
	if err != nil {
		return drained{}, err
	}
	r.tally.handled.Add(result.handled)
	r.tally.unknownTypes.Add(int64(len(result.types)))
	r.logPassed(result.types)
	if result.parked != nil && result.parked.Error != q.Error {
		r.logParked(*result.parked, result.delay)
	}
	return result, nil
}

func (r *Receiver[Tx, E]) drainIn(ctx context.Context, tx Tx, q store.Queue, limit int, called *atomic.Bool) (d drained, err error) {
	consumer, s := r.once.consumer, q.Stream
	marks, err := r.inbox.Marks(ctx, tx, consumer, []store.Stream{s})
	if err != nil {
		return d, err
	}
	mark := marks[0]
	if mark.Reason != store.Waiting {
		d.flows = true // somebody else has changed it
		return d, nil
	}
	// Several messages may claim one version.
	most := 2*limit + 16
	queued, err := r.inbox.Queued(ctx, tx, consumer, s, most)
	if err != nil {
		return d, err
	}
	more := len(queued) == most
	for n := 0; n < limit && d.parked == nil; n++ {
		for len(queued) > 0 && queued[0].Version <= mark.Version {
			queued = queued[1:]
		}
		if len(queued) == 0 {
			break
		}
		if err := r.drainOne(ctx, tx, &mark, queued, &d, called); err != nil {
			return d, err
		}
	}
	for len(queued) > 0 && queued[0].Version <= mark.Version {
		queued = queued[1:]
	}
	if err := r.inbox.Dequeue(ctx, tx, consumer, s, mark.Version); err != nil {
		return d, err
	}
	if err := r.inbox.SetMarks(ctx, tx, consumer, []store.Mark{mark}); err != nil {
		return d, err
	}
	switch {
	case d.parked != nil:
		d.flows = true
		d.parked.Consumer, d.parked.Stream, d.parked.Version = consumer, s, mark.Version+1
		if mark.Version == marks[0].Version {
			d.parked.Attempts = q.Attempts
		}
		return d, r.inbox.SetQueue(ctx, tx, *d.parked, d.delay)
	case len(queued) == 0 && !more:
		d.flows = true
		return d, r.inbox.DeleteQueue(ctx, tx, consumer, s)
	}
	tried := store.Queue{Consumer: consumer, Stream: s, Version: mark.Version + 1, Reason: store.Waiting, Error: crashNote, Attempts: r.crashWeight()}
	return d, r.inbox.SetQueue(ctx, tx, tried, 2*r.cfg.TransactionTimeout)
}

// drainOne handles the message of a queue that follows the mark, and moves the
// mark. Without one it says why the stream waits.
func (r *Receiver[Tx, E]) drainOne(ctx context.Context, tx Tx, mark *store.Mark, queued []store.QueuedMessage, d *drained, called *atomic.Bool) error {
	first := &queued[0]
	if placeOf(*mark, first.Version, first.ID, first.Previous) == ahead {
		d.parked = &store.Queue{Reason: store.Gap, Error: fmt.Sprintf("version %d is here, and version %d did not come", first.Version, mark.Version+1)}
		return nil
	}
	m := r.fitting(*mark, queued)
	if m == nil {
		d.parked = &store.Queue{Reason: store.Forked, Error: forkText(*mark, first.Version, first.ID, first.Previous)}
		return nil
	}
	plain := r.plain(m.Message)
	typed, known, err := r.source.Decode(plain)
	if err != nil {
		d.parked, d.delay = &store.Queue{Reason: store.Unknown, Error: err.Error()}, r.unknownDelay()
		return nil
	}
	if known {
		called.Store(true)
		if err := r.once.call(ctx, tx, typed); err != nil {
			return &failure{err}
		}
		d.handled++
	} else {
		d.types = append(d.types, m.Type)
	}
	mark.Version, mark.EventID = m.Version, m.ID
	return nil
}

// fitting returns the message that follows the mark, of those that claim to, or
// nil.
func (r *Receiver[Tx, E]) fitting(mark store.Mark, queued []store.QueuedMessage) *store.QueuedMessage {
	for i := range queued {
		if queued[i].Version != mark.Version+1 {
			break
		}
		if placeOf(mark, queued[i].Version, queued[i].ID, queued[i].Previous) == next {
			return &queued[i]
		}
	}
	return nil
}
