package consume

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// outcome is what became of a message in a committed transaction.
type outcome int

const (
	// early: an earlier version of its stream is missing.
	early outcome = iota
	// blocked: its stream waits for a retry.
	blocked
	// handled now. This one and the next need not come again.
	handled
	// settled otherwise: handled before, passed by, or queued behind a dead
	// letter.
	settled
)

func (o outcome) done() bool { return o >= handled }

// stretch is a piece of the log: all messages after one position up to another.
type stretch struct {
	after, upTo int64
	moved       bool // the consumer's position in the log is at upTo or beyond
}

// applyBatch handles messages in one transaction with their marks and tells what
// became of each. On an error nothing of it remains.
//
// The messages may be a stretch of the log, else s is nil. If all of it is done,
// the consumer's position in the log moves to its end in the same transaction,
// unless the consumer was set back since the stretch was read: else a rebuild
// would skip what lies before.
func (r *Runner[Tx, E]) applyBatch(ctx context.Context, messages []store.Message, s *stretch) ([]outcome, error) {
	var outcomes []outcome
	called := false
	err := r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		outcomes = make([]outcome, len(messages))
		marks, err := r.lock(ctx, tx, messages, s)
		if err != nil {
			return err
		}
		complete := s != nil
		for i := range messages {
			if outcomes[i], err = r.applyOne(ctx, tx, marks[messages[i].Stream], &messages[i]); err != nil {
				return err
			}
			called = called || outcomes[i] == handled
			complete = complete && outcomes[i].done()
		}
		if complete {
			log := marks[r.position()]
			if log.Version >= s.after && log.Version < s.upTo {
				log.Version, log.moved = s.upTo, true
			}
			s.moved = log.Version >= s.upTo
		}
		return r.once.inbox.SetMarks(ctx, tx, r.once.consumer, marks.moved())
	})
	var struck *failure
	if err != nil && called && !errors.As(err, &struck) {
		// A commit that the handler's own writes may have spoilt, by a deferred
		// constraint for one.
		err = &failure{err}
	}
	if err != nil {
		if s != nil {
			s.moved = false
		}
		return nil, err
	}
	return outcomes, nil
}

// applyOne handles one message and moves its mark.
func (r *Runner[Tx, E]) applyOne(ctx context.Context, tx Tx, mark *mark, m *store.Message) (outcome, error) {
	switch {
	case m.Version <= mark.Version:
		return settled, nil
	case mark.Parked:
		return settled, r.once.inbox.Park(ctx, tx, store.DeadLetter{Consumer: r.once.consumer, Message: *m, ParkedAt: time.Now()})
	case m.Version > mark.Version+1:
		return early, nil
	}
	typed, known, err := r.source.Decode(*m)
	if err != nil {
		return 0, &failure{err}
	}
	mark.Version, mark.moved = m.Version, true
	if !known {
		return settled, nil
	}
	if err := r.once.call(ctx, tx, typed); err != nil {
		return 0, &failure{err}
	}
	return handled, nil
}

// mark is a mark in the course of a transaction.
type mark struct {
	store.Mark
	moved bool
}

type marks map[store.Stream]*mark

func (m marks) moved() []store.Mark {
	var moved []store.Mark
	for _, mark := range m {
		if mark.moved {
			moved = append(moved, mark.Mark)
		}
	}
	return moved
}

// lock reads and locks the marks that messages, and a stretch, need.
func (r *Runner[Tx, E]) lock(ctx context.Context, tx Tx, messages []store.Message, s *stretch) (marks, error) {
	locked := make(marks, len(messages)+1)
	streams := make([]store.Stream, 0, len(messages)+1)
	want := func(s store.Stream) {
		if _, ok := locked[s]; !ok {
			locked[s] = nil
			streams = append(streams, s)
		}
	}
	if s != nil {
		want(r.position())
	}
	for i := range messages {
		want(messages[i].Stream)
	}
	read, err := r.once.inbox.Marks(ctx, tx, r.once.consumer, streams)
	if err != nil {
		return nil, err
	}
	for i := range read {
		locked[read[i].Stream] = &mark{Mark: read[i]}
	}
	return locked, nil
}

func (r *Runner[Tx, E]) logHandled(messages []store.Message, outcomes []outcome) {
	if !r.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for i := range messages {
		if outcomes[i] == handled {
			r.cfg.Logger.Debug("handled", r.attributes(&messages[i])...)
		}
	}
}
