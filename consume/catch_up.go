package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// dueLimit is how many due streams are taken up before the segment goes on.
const dueLimit = 16

// takeUp finds out whether streams are parked, and makes those due that the last
// program did not know, because this one may, and those that a clock which was set
// back would make wait for too long. They are due by themselves later: when it
// takes too long to make them due, the segment goes on without.
func (w *worker[Tx]) takeUp(work context.Context) error {
	w.anyParked, w.looked, w.lookAgain = true, time.Time{}, firstDueInterval
	rows, err := w.db.ListParked(work, w.id, store.Stream{}, 1)
	if err != nil {
		return fmt.Errorf("list parked streams: %w", err)
	}
	if len(rows) == 0 {
		return w.forgetParked(work)
	}
	w.hadParked = true
	segment := w.claim.Segment
	err = w.inPlace(work, func(ctx context.Context, tx Tx) error {
		_, err := w.db.RetryParked(ctx, tx, w.id, segment, w.segments, 10*w.cfg.Retry.MaxDelay)
		return err
	})
	if late(err) && work.Err() == nil {
		w.log.Warn("parked streams are tried again when their time has come, and not at once: there are very many, or the database is slow", slog.Any("error", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("take up parked streams: %w", err)
	}
	return nil
}

// retryDue takes up parked streams whose next try is due. In between the segment
// goes on, so that neither holds up the other.
func (w *worker[Tx]) retryDue(ctx, work context.Context) error {
	if !w.anyParked || time.Since(w.looked) < w.lookAgain {
		return nil
	}
	due, err := w.db.DueParked(work, w.id, w.claim.Segment, w.segments, dueLimit)
	if err != nil {
		return fmt.Errorf("look for parked streams: %w", err)
	}
	w.looked, w.lookAgain = time.Now(), min(2*w.lookAgain, longestDueInterval)
	enough := w.looked.Add(retryTime)
	for _, p := range due {
		if ctx.Err() != nil || time.Now().After(enough) {
			return nil
		}
		if err := w.retry(ctx, work, p); err != nil && !errors.Is(err, errChanged) {
			return err
		}
		w.looked, w.lookAgain = time.Time{}, firstDueInterval // there may be more
	}
	if len(due) > 0 {
		return nil
	}
	rows, err := w.db.ListParked(work, w.id, store.Stream{}, 1)
	if err != nil {
		return fmt.Errorf("look for parked streams: %w", err)
	}
	if len(rows) > 0 {
		return nil
	}
	return w.forgetParked(work)
}

// forgetParked notes that the consumer has no parked streams, so that batches
// need not look for them. If it had any since the segment was claimed, it renews
// the claim first: a backup that has parked streams, and is put back under this
// worker, has the claim of before, and voids this one.
func (w *worker[Tx]) forgetParked(work context.Context) error {
	if w.hadParked {
		if err := w.renew(work); err != nil {
			return fmt.Errorf("renew the claim: %w", err)
		}
	}
	w.anyParked, w.hadParked = false, false
	return nil
}

// retry handles the messages of a parked stream from the log, a batch of them at
// most, up to where the segment stands. When it comes through, the stream flows
// again.
func (w *worker[Tx]) retry(ctx, work context.Context, p store.Parked) error {
	messages, err := w.db.Read(work, p.Stream, p.Version-1, w.cfg.BatchSize)
	if err != nil {
		return fmt.Errorf("read %s after version %d: %w", p.Stream, p.Version-1, err)
	}
	more := len(messages) == w.cfg.BatchSize
	for n := len(messages); n > 0 && messages[n-1].Position > w.at.Position; n-- {
		messages, more = messages[:n-1], false
	}
	if len(messages) == 0 {
		return w.unpark(work, p)
	}
	if first := &messages[0]; first.Version != p.Version || p.EventID != "" && first.ID != p.EventID {
		return w.chargeParked(work, p, p.Attempts, "", fault{reason: store.Forked, err: fmt.Errorf("the log has event %s at version %d, and the consumer waits for event %s at version %d",
			first.ID, first.Version, p.EventID, p.Version)})
	}
	route := w.routes[p.Stream.Category]
	if route == nil {
		return w.chargeParked(work, p, p.Attempts, "", fault{reason: store.Unknown, err: fmt.Errorf("the program has no route for category %s", p.Stream.Category)})
	}
	items := make([]item[Tx], len(messages))
	for i := range messages {
		var known bool
		if items[i], known = w.decode(&messages[i], route); !known {
			items[i].passes = true // it passes by, in its turn
		}
	}
	pace, noted := pace{size: 1, limit: w.cfg.BatchSize}, int64(0)
	attempts := p.Attempts // those of the first message, without what is noted for a try
	for len(items) > 0 && ctx.Err() == nil {
		row := p
		if w.trial > 0 && noted != p.Version {
			pace.size, noted = 1, p.Version
			if row, err = w.noteParked(work, p); err != nil || row.Reason == store.Poison {
				return err
			}
		}
		chunk := chunkOf(&pace, items)
		at, left, next := w.at, items, p
		done, err := w.attempt(work, chunk, false, func(ctx context.Context, tx Tx, done int) (store.Progress, error) {
			return at, w.changeParked(ctx, tx, row, func(row *store.Parked) error {
				if done == len(left) && !more {
					return w.db.DeleteParked(ctx, tx, w.id, row.Stream)
				}
				next = *row
				next.Version, next.Position, next.EventID = left[done-1].Version+1, 0, ""
				if done < len(left) {
					next.Position, next.EventID = left[done].Position, left[done].ID
				}
				next.Reason, next.Error, next.Attempts = store.Waiting, "", 0
				return w.db.SetParked(ctx, tx, next, 0)
			})
		})
		if err != nil {
			if errors.Is(err, errChanged) {
				return err
			}
			fault, err := w.failed(work, &pace, chunk, err)
			if err != nil {
				w.putBack(work, row, attempts)
				return err
			}
			if fault != nil {
				return w.chargeParked(work, row, attempts, chunk[0].Type, *fault)
			}
			p = row
			continue
		}
		pace.worked()
		w.trial = max(0, w.trial-done)
		p, attempts, items = next, 0, items[done:]
	}
	return nil
}

// unpark lets a parked stream flow again that has nothing to catch up with.
//
// A stream that was adopted from an inbox may have been handled beyond the
// segment's place. It stays parked until the segment has passed the last message
// that is done; otherwise that message would take effect again. If the log does
// not have that message, the stream is forked.
func (w *worker[Tx]) unpark(work context.Context, p store.Parked) error {
	if p.Version > 1 {
		done, err := w.db.Read(work, p.Stream, p.Version-2, 1)
		if err != nil {
			return fmt.Errorf("read %s after version %d: %w", p.Stream, p.Version-2, err)
		}
		if len(done) == 0 {
			return w.chargeParked(work, p, p.Attempts, "", fault{reason: store.Forked,
				err: fmt.Errorf("the consumer is done with version %d of the stream, and the log does not have it", p.Version-1)})
		}
		if done[0].Position > w.at.Position {
			return w.inPlace(work, func(ctx context.Context, tx Tx) error {
				return w.changeParked(ctx, tx, p, func(*store.Parked) error { return w.db.SetParked(ctx, tx, p, longestDueInterval) })
			})
		}
	}
	return w.inPlace(work, func(ctx context.Context, tx Tx) error {
		return w.changeParked(ctx, tx, p, func(*store.Parked) error { return w.db.DeleteParked(ctx, tx, w.id, p.Stream) })
	})
}

// noteParked stores that a parked stream is about to be tried, for a worker that
// goes carefully: a process that ends now has used up a part of its attempts.
// It returns the row as it is stored then.
func (w *worker[Tx]) noteParked(work context.Context, p store.Parked) (store.Parked, error) {
	if p.Attempts >= w.cfg.Retry.MaxAttempts {
		f := fault{reason: store.Poison, err: errors.New("the process has ended several times while it handled this message")}
		err := w.chargeParked(work, p, p.Attempts, "", f)
		p.Reason = store.Poison
		return p, err
	}
	noted := p
	noted.Attempts += max(1, w.cfg.Retry.MaxAttempts/maxTries)
	err := w.inPlace(work, func(ctx context.Context, tx Tx) error {
		return w.changeParked(ctx, tx, p, func(*store.Parked) error { return w.db.SetParked(ctx, tx, noted, 0) })
	})
	return noted, err
}

// putBack takes back what was noted for a try that says nothing against the
// message. When that fails, the try counts.
func (w *worker[Tx]) putBack(work context.Context, row store.Parked, attempts int) {
	if row.Attempts == attempts || work.Err() != nil {
		return
	}
	err := w.inPlace(work, func(ctx context.Context, tx Tx) error {
		return w.changeParked(ctx, tx, row, func(p *store.Parked) error {
			p.Attempts = attempts
			return w.db.SetParked(ctx, tx, *p, 0)
		})
	})
	if err != nil {
		w.log.Warn("a try of a parked stream stays noted", slog.String("category", row.Stream.Category), slog.String("id", row.Stream.ID), slog.Any("error", err))
	}
}

// chargeParked notes the fault of the first message of a parked stream, after a
// number of attempts before this one.
func (w *worker[Tx]) chargeParked(work context.Context, was store.Parked, attempts int, eventType string, f fault) error {
	p := was
	p.Attempts = attempts
	delay := w.charge(&p, f)
	err := w.inPlace(work, func(ctx context.Context, tx Tx) error {
		return w.changeParked(ctx, tx, was, func(*store.Parked) error { return w.db.SetParked(ctx, tx, p, delay) })
	})
	if err == nil {
		w.logParked(p, eventType, delay)
	}
	return err
}
