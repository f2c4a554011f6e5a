package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

const (
	// troubleLimit is how many times in a row a handler may meet passing trouble
	// with the database before its message is parked to wait.
	troubleLimit = 3
	// maxTries is how many times a process may end while it handles a message
	// before the message is parked as poison.
	maxTries = 3
)

// A message of the log takes this way:
//
//	page -> chunk -> transaction --ok--> the segment moves on
//	          ^           |
//	          |         failed: trouble with the database -> the worker pauses
//	          |           |
//	          +--smaller--+--alone--> its stream is parked, the segment moves on

// pace decides how many messages share a transaction: after a failure few, until
// the one to blame is alone; after a success twice as many as before.
type pace struct {
	size, limit int
	suspect     int64 // position of a message that has to be alone; 0 when none
	trouble     int   // failures in a row that were passing trouble
}

// chunk returns the messages of the next transaction. A message with an effect
// outside of the database is alone, and so is one that cannot be decoded.
func chunkOf[Tx any](p *pace, items []item[Tx]) []item[Tx] {
	n := min(p.size, len(items))
	alone := func(it *item[Tx]) bool {
		return it.route.outside || it.err != nil || it.Position == p.suspect
	}
	for i := range n {
		if alone(&items[i]) {
			return items[:max(1, i)]
		}
	}
	return items[:n]
}

func (p *pace) worked() {
	p.size, p.suspect, p.trouble = min(2*p.size, p.limit), 0, 0
}

// narrow makes the next transaction smaller after a failure whose message is not
// alone.
func narrow[Tx any](p *pace, chunk []item[Tx], err error) {
	var h *handlerError
	if errors.As(err, &h) && h.n == 1 && h.first < len(chunk) {
		p.suspect = chunk[h.first].Position
		return
	}
	p.size = max(1, len(chunk)/2)
}

// fault is what a failure of a single message means.
type fault struct {
	err    error
	reason store.Reason
	counts bool // as an attempt
}

// failed says what a failed attempt at a chunk means. An error is no fault of a
// message: the worker pauses or ends. A fault is that of the only message of the
// chunk. Without both, the messages are to be tried again, at the new pace.
func (w *worker[Tx]) failed(work context.Context, p *pace, chunk []item[Tx], err error) (*fault, error) {
	var h *handlerError
	fromHandler := errors.As(err, &h)
	if work.Err() != nil || errors.Is(err, store.ErrClaimLost) || errors.Is(err, errBusy) || w.passing(err) && !fromHandler && !late(err) {
		return nil, err
	}
	if w.passing(err) && !transient(err) {
		if p.trouble++; p.trouble < troubleLimit {
			w.log.Warn("trouble with the database; messages are tried again", slog.Int64("position", chunk[0].Position),
				slog.Int("messages", len(chunk)), slog.Any("error", err))
			pause.Wait(work, 10*time.Millisecond<<p.trouble, nil)
			return nil, nil
		}
	}
	if len(chunk) > 1 {
		narrow(p, chunk, err)
		return nil, nil
	}
	f := w.faultOf(err)
	return &f, nil
}

// faultOf says what an error of a message alone means for it. An error that does
// not come from the handler is one of the commit, which the handler's writes have
// spoilt, by a deferred constraint for example.
func (w *worker[Tx]) faultOf(err error) fault {
	switch {
	case w.passing(err):
		return fault{err: err, reason: store.Waiting}
	case unreadable(err):
		return fault{err: err, reason: store.Unknown}
	case permanent(err):
		return fault{err: err, reason: store.Poison, counts: true}
	}
	return fault{err: err, reason: store.Waiting, counts: true}
}

// passing reports whether an error says nothing against a message: trouble with
// the database, a lost race, damage that a handler has met in what it reads, or what
// the handler calls [Transient]. Damage lasts until it is repaired, but the message
// is not to blame for it, and takes effect then without anybody's help.
func (w *worker[Tx]) passing(err error) bool {
	return transient(err) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrDamaged) || w.db.IsTransient(err) || late(err)
}

// late reports whether a transaction has used up its time outside of a handler:
// the database is slow, or a commit that a handler's writes make slow.
func late(err error) bool {
	var h *handlerError
	return errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &h)
}

// calls are the messages of a chunk that a handler is called for at the moment.
type calls struct{ first, n atomic.Int64 }

// attempt calls the handlers of a chunk in one transaction, but for messages of
// streams that are parked, if it shall look for them. save says, in that
// transaction, where the segment stands after the first done messages.
func (w *worker[Tx]) attempt(work context.Context, chunk []item[Tx], lookForParked bool,
	save func(ctx context.Context, tx Tx, done int) (store.Progress, error)) (done int, err error) {
	var current calls
	var parked map[store.Stream]bool
	through := 0 // not done itself: a handler that hangs may still write it
	err = w.transact(work, func(ctx context.Context, tx Tx) (to store.Progress, err error) {
		if lookForParked {
			if parked, err = w.parkedOf(ctx, tx, chunk); err != nil {
				return to, err
			}
		}
		if through, err = w.call(ctx, tx, chunk, parked, &current); err != nil {
			return to, err
		}
		return save(ctx, tx, through)
	})
	if errors.Is(err, errHung) {
		return 0, &handlerError{int(current.first.Load()), int(current.n.Load()), errHung}
	}
	if err != nil {
		return 0, err
	}
	w.handled(chunk[:through], parked)
	w.logHandled(chunk[:through], parked)
	return through, nil
}

// note stores, in a transaction of its own, that a message is about to be tried,
// while the worker goes carefully: if the process ends, the next owner knows at
// which message. One at which several processes have ended is to blame.
func (w *worker[Tx]) note(work context.Context, it *item[Tx]) error {
	if w.trial == 0 || w.noted == it.Position {
		return nil
	}
	to := w.at
	if to.Trying != it.Position {
		to.Trying, to.Tries = it.Position, 0
	}
	if to.Tries >= maxTries {
		return &handlerError{0, 1, Permanent(fmt.Errorf("the process has ended %d times while it handled this message", to.Tries))}
	}
	to.Tries++
	w.noted = it.Position
	return w.store(work, to)
}

// workOff handles a page of the log. It returns an error that is no fault of a
// message; what is done by then stays done.
func (w *worker[Tx]) workOff(ctx, work context.Context, p *page[Tx]) error {
	pace := pace{size: w.cfg.BatchSize, limit: w.cfg.BatchSize}
	for items := p.items; len(items) > 0; {
		if ctx.Err() != nil {
			return nil
		}
		if w.trial > 0 {
			pace.size = 1
		}
		chunk := chunkOf(&pace, items)
		left := items
		reached := func(done int) store.Progress {
			if done == len(left) {
				return p.last
			}
			return left[done-1].progress()
		}
		done, err := 0, w.note(work, &chunk[0])
		if err == nil {
			done, err = w.attempt(work, chunk, w.anyParked,
				func(_ context.Context, _ Tx, done int) (store.Progress, error) { return reached(done), nil })
		}
		if err != nil {
			fault, err := w.failed(work, &pace, chunk, err)
			if err != nil {
				return err
			}
			if fault == nil {
				continue // again, or in smaller parts
			}
			if err := w.park(work, &chunk[0], *fault, reached(1)); err != nil {
				return err
			}
			done = 1
		}
		pace.worked()
		w.trial = max(0, w.trial-done)
		items = items[done:]
	}
	if w.at.Position < p.last.Position {
		w.at = p.last // stored later: nothing was handled since
	}
	return nil
}

// logHandled logs, at debug level, the messages whose transaction has committed.
func (w *worker[Tx]) logHandled(items []item[Tx], parked map[store.Stream]bool) {
	if !w.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for i := range items {
		if it := &items[i]; !it.passes && !parked[it.Stream] {
			w.log.Debug("handled", slog.String("category", it.Stream.Category), slog.String("id", it.Stream.ID), slog.Int64("version", it.Version),
				slog.Int64("position", it.Position), slog.String("event_id", it.ID), slog.String("type", it.Type))
		}
	}
}
