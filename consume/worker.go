package consume

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

// worker works on one segment, for as long as its claim holds.
type worker[Tx any] struct {
	*member[Tx]
	log      *slog.Logger
	segments int // of the consumer
	claim    store.Claim
	epoch    atomic.Int64   // the claim's, or the one that it is about to have
	at       store.Progress // the place reached; at or after that of the claim
	storedAt time.Time      // when the claim was advanced last

	// trial counts the messages that are still tried alone, each noted before,
	// because the owner before has ended without giving the segment back.
	trial     int
	noted     int64     // position of the message noted last
	anyParked bool      // the consumer may have parked streams
	hadParked bool      // it may have had some since the claim
	looked    time.Time // when due streams were looked for last
	lookAgain time.Duration
	poked     chan struct{}
	meetAt    atomic.Int64
	dense     atomic.Bool // most of what was read last is of the consumer's categories

	stop   context.CancelFunc // after what is in hand
	cancel context.CancelFunc // at once
	done   chan struct{}
}

const (
	firstPoll = 2 * time.Millisecond
	// The time between two looks for parked streams that are due doubles while
	// there are none.
	firstDueInterval   = 50 * time.Millisecond
	longestDueInterval = time.Second
	// flushInterval is how long a segment that has only passed by messages of
	// others may wait before it stores its place.
	flushInterval = time.Second
	// batchTime is when a transaction calls no further handler: its locks, which
	// may be those of a whole SQLite file, are not held much longer.
	batchTime = 500 * time.Millisecond
	// retryTime is when the segment goes on between parked streams that are due.
	retryTime = 100 * time.Millisecond
)

// newWorker returns the worker for a segment that was just claimed.
func (m *member[Tx]) newWorker(c store.Consumer, i int, clean bool) *worker[Tx] {
	s := c.Segments[i]
	w := &worker[Tx]{
		member:   m,
		log:      m.Follower.log.With(slog.Int("segment", i)),
		segments: len(c.Segments),
		claim:    store.Claim{Consumer: m.id, Segment: i, Epoch: s.Epoch, Position: s.Position},
		at:       s.Progress,
		storedAt: time.Now(),
		poked:    make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	if !clean {
		w.trial = m.cfg.BatchSize
	}
	w.meetAt.Store(c.MeetAt)
	w.epoch.Store(s.Epoch)
	return w
}

// start runs the worker in a goroutine of its own. It stops softly when ctx
// ends, at once when work does.
func (w *worker[Tx]) start(ctx, work context.Context) {
	ctx, w.stop = context.WithCancel(ctx)
	work, w.cancel = context.WithCancel(work)
	go func() {
		defer w.nudge()
		defer w.forget(w.claim.Segment)
		defer close(w.done)
		defer w.cancel()
		defer w.stop()
		w.run(ctx, work)
	}()
}

func (w *worker[Tx]) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// poke makes the worker look for parked streams that are due.
func (w *worker[Tx]) poke() {
	select {
	case w.poked <- struct{}{}:
	default:
	}
}

func (w *worker[Tx]) run(ctx, work context.Context) {
	if w.trial > 0 {
		w.log.Warn("the last owner of the segment ended without giving it back; messages are tried one at a time for a while", slog.Int64("position", w.at.Position))
	}
	failures := pause.AfterFailures()
	for ctx.Err() == nil && work.Err() == nil {
		before := w.at.Position
		err := w.follow(ctx, work)
		if w.at.Position > before {
			failures = pause.AfterFailures()
		}
		switch {
		case err == nil || work.Err() != nil:
		case errors.Is(err, store.ErrClaimLost):
			w.log.Info("the segment is another member's now")
			return
		case errors.Is(err, errHung):
			w.log.Error("the segment is left to other members", slog.Any("error", err))
			return
		case errors.Is(err, errForked):
			w.release(work)
			return
		default:
			d, _ := failures.Next()
			w.log.Error("consumer pauses", slog.Any("error", err), slog.Duration("pause", d))
			pause.Wait(ctx, d, nil)
		}
	}
	w.release(work)
}

var errForked = errors.New("the log is not the one that the consumer has followed")

// follow works off the log until ctx ends or something fails that is no fault of
// a message.
func (w *worker[Tx]) follow(ctx, work context.Context) error {
	if err := w.takeUp(work); err != nil || ctx.Err() != nil {
		return err
	}
	poll := firstPoll
	next := w.read(work, w.at)
	for {
		var p page[Tx]
		select {
		case p = <-next:
		case <-ctx.Done():
			return nil
		}
		switch {
		case p.err != nil:
			return p.err
		case p.forked != "": // before anything of this log is handled
			return w.fork(work, p.forked)
		}
		if err := w.keep(work); err != nil {
			return err
		}
		if err := w.retryDue(ctx, work); err != nil {
			return err
		}
		meetAt := w.meetAt.Load()
		if meetAt != 0 {
			p.upTo(meetAt, w.at)
		}
		if !p.end {
			next = w.read(work, p.last)
		}
		passed := p.last.Position > w.at.Position
		if err := w.workOff(ctx, work, &p); err != nil || ctx.Err() != nil {
			return err
		}
		if !p.end {
			continue
		}
		if poll = min(2*poll, w.cfg.MaxPollInterval); passed {
			poll = firstPoll
		}
		if meetAt != 0 && w.at.Position >= meetAt {
			if err := w.flush(work); err != nil {
				return err
			}
			poll = w.lookInterval()
		}
		w.wait(ctx, poll, &p)
		next = w.read(work, w.at)
	}
}

// wait returns when there may be something new, or something to do.
func (w *worker[Tx]) wait(ctx context.Context, d time.Duration, p *page[Tx]) {
	d = min(d, w.cfg.LeaseDuration/4)
	if w.at.Position > w.claim.Position {
		d = min(d, flushInterval)
	}
	if w.anyParked {
		d = min(d, w.lookAgain)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.appended:
	case <-p.hinted:
	case <-w.poked:
		w.looked = time.Time{}
	}
}

// keep renews the lease in time, and stores the place of a segment that has only
// passed by messages of others.
func (w *worker[Tx]) keep(work context.Context) error {
	idle := time.Since(w.storedAt)
	if idle > w.cfg.LeaseDuration/4 {
		return w.store(work, w.at)
	}
	if idle > flushInterval {
		return w.flush(work)
	}
	return nil
}

// flush stores the place reached if it is not stored.
func (w *worker[Tx]) flush(work context.Context) error {
	if w.at.Position == w.claim.Position {
		return nil
	}
	return w.store(work, w.at)
}

// store stores a place and renews the lease.
func (w *worker[Tx]) store(work context.Context, to store.Progress) error {
	return w.transact(work, func(context.Context, Tx) (store.Progress, error) { return to, nil })
}

// renew gives the claim the next epoch, as if the segment had been given back and
// claimed again.
func (w *worker[Tx]) renew(work context.Context) error {
	epoch := w.claim.Epoch + 1
	w.epoch.Store(epoch) // before the row has it, so that nobody takes it for another's
	bounded, cancel := context.WithTimeout(work, w.cfg.LeaseDuration/2)
	defer cancel()
	err := w.db.InTx(bounded, func(ctx context.Context, tx Tx) error {
		c, _, err := w.db.LockConsumer(ctx, tx, w.id)
		if err != nil {
			return err
		}
		i := w.claim.Segment
		if i >= len(c.Segments) || c.Segments[i].Epoch != w.claim.Epoch || c.Segments[i].Position != w.claim.Position {
			return store.ErrClaimLost
		}
		c.Segments[i].Epoch = epoch
		return w.db.SaveConsumer(ctx, tx, c)
	})
	if err == nil {
		w.claim.Epoch = epoch
	}
	return err
}

// fork stores that the log is another one. Nothing is handled until an operator
// asks for a rebuild, or puts the right log back and asks to resume.
func (w *worker[Tx]) fork(work context.Context, why string) error {
	to := w.at
	to.Forked = why
	if err := w.store(work, to); err != nil {
		return err
	}
	w.log.Error("the consumer is forked: the log is not the one that it has followed; ask for a rebuild, or put the right log back and ask to resume",
		slog.Int64("position", w.at.Position), slog.String("error", why))
	return errForked
}

// release gives the segment back, so that another member need not wait for the
// end of its lease.
func (w *worker[Tx]) release(work context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), 5*time.Second)
	defer cancel()
	err := w.flush(ctx)
	if err == nil {
		err = w.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
			c, _, err := w.db.LockConsumer(ctx, tx, w.id)
			if err != nil {
				return err
			}
			i := w.claim.Segment
			if i >= len(c.Segments) || c.Segments[i].Epoch != w.claim.Epoch {
				return nil // it is another's already
			}
			c.Segments[i].Owner = ""
			return w.db.SaveConsumer(ctx, tx, c)
		})
	}
	if err != nil && !errors.Is(err, store.ErrClaimLost) && !errors.Is(err, store.ErrNoConsumer) {
		w.log.Warn("the segment was not given back; it stays with this member until its lease ends", slog.Any("error", err))
	}
}
