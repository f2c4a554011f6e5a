package consume

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/eventus-go/eventus"
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
	moved       bool // the consumer's position in the log is at upTo
}

// apply handles messages in one transaction with their marks and tells what
// became of each. On an error nothing of it remains.
//
// The messages may be a stretch of the log, else s is nil. If all of it is done,
// the consumer's position in the log moves to its end in the same transaction,
// unless the consumer was set back since the stretch was read: else a rebuild
// would skip what lies before.
func (r *Runner[Tx, E]) apply(ctx context.Context, messages []store.Message, s *stretch) ([]outcome, error) {
	var outcomes []outcome
	err := r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		// InTx may run this function again.
		outcomes = make([]outcome, len(messages))
		marks, err := r.lock(ctx, tx, messages, s)
		if err != nil {
			return err
		}
		complete := s != nil
		for i := range messages {
			if outcomes[i], err = r.one(ctx, tx, marks[messages[i].Stream], &messages[i]); err != nil {
				return err
			}
			complete = complete && outcomes[i].done()
		}
		if complete {
			if log := marks[store.Stream{}]; log.Version >= s.after && log.Version < s.upTo {
				log.Version, log.moved = s.upTo, true
			}
		}
		return r.once.inbox.SetMarks(ctx, tx, r.once.consumer, marks.moved())
	})
	if err != nil {
		return nil, err
	}
	if s != nil {
		s.moved = !slices.ContainsFunc(outcomes, func(o outcome) bool { return !o.done() })
	}
	return outcomes, nil
}

// one handles one message and moves its mark.
func (r *Runner[Tx, E]) one(ctx context.Context, tx Tx, mark *mark, m *store.Message) (outcome, error) {
	switch {
	case m.Version <= mark.Version:
		return settled, nil
	case mark.Parked:
		return settled, r.once.inbox.Park(ctx, tx, store.DeadLetter{Consumer: r.once.consumer, Message: *m, ParkedAt: r.now()})
	case m.Version > mark.Version+1:
		return early, nil
	}
	typed, known, err := r.decode(*m)
	if err != nil {
		return 0, &failure{Permanent(err)}
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

// decode types a message. A codec or an upcaster that panics condemns the
// message, not the process.
func (r *Runner[Tx, E]) decode(m store.Message) (typed eventus.Message[E], known bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoding panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return r.source.Decode(m)
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
		want(store.Stream{})
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
	if !r.Logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for i := range messages {
		if outcomes[i] == handled {
			r.Logger.Debug("handled", slog.String("consumer", r.once.consumer), slog.String("type", messages[i].Type),
				slog.String("category", messages[i].Stream.Category), slog.String("id", messages[i].Stream.ID), slog.Int64("version", messages[i].Version))
		}
	}
}
