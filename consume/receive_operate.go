package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/eventus-go/eventus/store"
)

// ErrNotParked is returned by [Receiver.Redrive] and [Receiver.Skip] for a stream
// that is not parked. Nothing was changed.
var ErrNotParked = errors.New("the stream is not parked")

// Parked returns up to limit streams that do not flow, in ascending order of
// category and id, after the given stream. The zero Stream starts at the first.
// The streams of events without a version have the category with ":arrivals"
// behind it.
func (r *Receiver[Tx, E]) Parked(ctx context.Context, after store.Stream, limit int) ([]store.Queue, error) {
	var own []store.Queue
	categories := r.categories()
	for len(own) < limit {
		page, err := r.inbox.ListQueues(ctx, r.once.consumer, after, limit)
		if err != nil {
			return nil, err
		}
		for _, q := range page {
			if c := q.Stream.Category; (c == categories[0] || c == categories[1]) && len(own) < limit {
				own = append(own, q)
			}
			after = q.Stream
		}
		if len(page) < limit {
			break
		}
	}
	return own, nil
}

// DeadLetters returns up to limit dead letters of the consumer with an id below
// before, in descending order of id: messages that could not be used, and those
// that were skipped. 0 starts at the last.
func (r *Receiver[Tx, E]) DeadLetters(ctx context.Context, before int64, limit int) ([]store.DeadLetter, error) {
	return r.inbox.ListDeadLetters(ctx, r.once.consumer, before, limit)
}

// Redrive has the messages of a parked stream tried again, as if none of them had
// failed. It only asks: a receiver that runs, in any process, does it within
// [ReceiveConfig.MaxPollInterval], in the order of versions. A message that fails
// again parks the stream again.
func (r *Receiver[Tx, E]) Redrive(ctx context.Context, s store.Stream) error {
	err := r.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		marks, err := r.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{s})
		if err != nil {
			return err
		}
		q, ok, err := r.inbox.FindQueue(ctx, tx, r.once.consumer, s)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotParked
		}
		q.Reason, q.Attempts, q.Version = store.Waiting, 0, marks[0].Version+1
		return r.inbox.SetQueue(ctx, tx, q, 0)
	})
	if err != nil {
		return fmt.Errorf("redrive %s for %s: %w", s, r.once.consumer, err)
	}
	r.alarm(0)
	return nil
}

// RedriveAll redrives all parked streams, except those that are forked or miss an
// event, and returns how many.
func (r *Receiver[Tx, E]) RedriveAll(ctx context.Context) (streams int, err error) {
	for after := (store.Stream{}); ; {
		page, err := r.Parked(ctx, after, duePage)
		if err != nil {
			return streams, err
		}
		for _, q := range page {
			after = q.Stream
			if q.Reason == store.Forked || q.Reason == store.Gap {
				continue
			}
			if err := r.Redrive(ctx, q.Stream); err == nil {
				streams++
			} else if !errors.Is(err, ErrNotParked) {
				return streams, err
			}
		}
		if len(page) < duePage {
			return streams, nil
		}
	}
}

// Skip passes over what a parked stream waits for, as if it had been handled, and
// has the rest tried. In a stream that misses events, those up to the first that
// is here are passed over; in a forked one, the first event of the other history,
// which the consumer then follows. What was skipped stays on record as a dead
// letter with the reason, which must not be empty.
func (r *Receiver[Tx, E]) Skip(ctx context.Context, s store.Stream, reason string) error {
	if reason == "" {
		return &store.InvalidError{Field: "reason", Reason: "is empty: say why the message is skipped, because that stays on record"}
	}
	var skipped int64
	err := r.inbox.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		skipped, err = r.skip(ctx, tx, s, reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("skip in %s for %s: %w", s, r.once.consumer, err)
	}
	r.log.Warn("event is skipped", slog.String("id", s.ID), slog.Int64("version", skipped), slog.String("reason", reason))
	r.alarm(0)
	return nil
}

func (r *Receiver[Tx, E]) skip(ctx context.Context, tx Tx, s store.Stream, reason string) (version int64, err error) {
	consumer := r.once.consumer
	marks, err := r.inbox.Marks(ctx, tx, consumer, []store.Stream{s})
	if err != nil {
		return 0, err
	}
	mark := marks[0]
	q, ok, err := r.inbox.FindQueue(ctx, tx, consumer, s)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, ErrNotParked
	}
	if err := r.inbox.Dequeue(ctx, tx, consumer, s, mark.Version); err != nil {
		return 0, err
	}
	queued, err := r.inbox.Queued(ctx, tx, consumer, s, duePage)
	if err != nil {
		return 0, err
	}
	if len(queued) > 0 {
		letter := r.letterOf(queued[0], q.Error, reason)
		if first := queued[0]; first.Version > mark.Version+1 {
			letter.Message = store.Message{Stream: letter.Message.Stream, Version: mark.Version + 1}
			letter.Size = 0
			mark.Version, mark.EventID = first.Version-1, first.Previous
		} else {
			if m := r.fitting(mark, queued); m != nil {
				first = *m
			}
			letter = r.letterOf(first, q.Error, reason)
			mark.Version, mark.EventID = first.Version, first.ID
		}
		version = letter.Message.Version
		if err := r.inbox.AddDeadLetter(ctx, tx, letter); err != nil {
			return 0, err
		}
	}
	if err := r.inbox.Dequeue(ctx, tx, consumer, s, mark.Version); err != nil {
		return 0, err
	}
	if err := r.inbox.SetMarks(ctx, tx, consumer, []store.Mark{mark}); err != nil {
		return 0, err
	}
	q.Reason, q.Attempts, q.Error, q.Version = store.Waiting, 0, "", mark.Version+1
	return version, r.inbox.SetQueue(ctx, tx, q, 0)
}

// Rebuild sets the consumer back to the beginning, in all its categories: what
// the inbox holds of it goes, dead letters excepted, and reset, which may be nil,
// empties the read model, in one transaction. Receivers that run, in any process,
// notice it within a few seconds and begin again with the first message that the
// broker holds. Their old subscriptions stay at the broker and can be deleted
// there.
//
// Until then, readers see a partial model. To have the old one serve meanwhile,
// give the new model a new consumer name instead.
func (r *Receiver[Tx, E]) Rebuild(ctx context.Context, reset func(ctx context.Context, tx Tx) error) error {
	err := r.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := r.inbox.Reset(ctx, tx, r.once.consumer); err != nil {
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
	r.resubscribe()
	return nil
}
