package consume

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// park puts a message among the dead letters if its stream's mark says so. Else
// it was handled by another member, or the consumer was set back.
func (r *Runner[Tx, E]) park(ctx context.Context, m *store.Message, attempts int, cause error, due func(store.Mark) bool) error {
	inbox, parked := r.once.inbox, false
	err := inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		marks, err := inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{m.Stream})
		if err != nil {
			return err
		}
		if parked = due(marks[0]); !parked {
			return nil
		}
		return inbox.Park(ctx, tx, store.DeadLetter{
			Consumer: r.once.consumer, Message: *m, Error: cause.Error(), Attempts: max(1, attempts), ParkedAt: time.Now(),
		})
	})
	if err == nil && parked {
		r.cfg.Logger.Error("message is parked in dead_letters; later ones of its stream queue behind it until it is redriven",
			r.attributes(m, slog.Any("error", cause))...)
	}
	return err
}

// DeadLetters lists the streams that have dead letters, each by its oldest
// letter, which says why, in ascending order of id, after the given stream. The
// zero Stream starts at the first.
func (r *Runner[Tx, E]) DeadLetters(ctx context.Context, after store.Stream, limit int) ([]store.DeadLetter, error) {
	return r.once.inbox.ParkedStreams(ctx, r.once.consumer, after, limit)
}

// Redrive handles the dead letters of a stream again, in order, each in a
// transaction of its own, and returns how many messages took effect. After
// the last one the stream flows again.
//
// It stops at the first that fails, with its error; that one and those behind
// it stay parked. Call it when the cause is mended, in any process, also while
// Run runs.
func (r *Runner[Tx, E]) Redrive(ctx context.Context, s store.Stream) (redriven int, err error) {
	if s.Category != r.source.Category() {
		return 0, fmt.Errorf("redrive %s: this runner is for category %s", s, r.source.Category())
	}
	for {
		letter, outcome, err := r.redriveNext(ctx, s)
		if err == nil && letter == nil {
			return redriven, nil
		}
		if err == nil && outcome == early {
			err = r.redriveMissing(ctx, letter)
		}
		if err != nil {
			return redriven, fmt.Errorf("redrive %s: %w", s, err)
		}
		if outcome == handled {
			redriven++
		}
	}
}

// redriveNext handles the oldest dead letter of a stream, if there is one, and
// removes it when it is done.
func (r *Runner[Tx, E]) redriveNext(ctx context.Context, s store.Stream) (letter *store.DeadLetter, o outcome, err error) {
	inbox := r.once.inbox
	err = inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		locked, err := r.lock(ctx, tx, []store.Message{{Stream: s}}, nil)
		if err != nil {
			return err
		}
		letters, err := inbox.Parked(ctx, tx, r.once.consumer, s, 1)
		if err != nil || len(letters) == 0 {
			letter = nil
			return err
		}
		letter = &letters[0]
		mark := locked[s]
		mark.Parked = false
		if o, err = r.applyOne(ctx, tx, mark, &letter.Message); err != nil || !o.done() {
			return err
		}
		if err := inbox.Unpark(ctx, tx, r.once.consumer, s, letter.Message.Version); err != nil {
			return err
		}
		return inbox.SetMarks(ctx, tx, r.once.consumer, locked.moved())
	})
	if err != nil && letter != nil && ctx.Err() == nil && !r.once.passing(err) {
		r.noteFailure(ctx, letter, err)
	}
	return letter, o, err
}

// redriveMissing parks the message before an early dead letter, from the log,
// so that it is the next to be handled.
func (r *Runner[Tx, E]) redriveMissing(ctx context.Context, letter *store.DeadLetter) error {
	after, err := r.markOf(ctx, letter.Message.Stream)
	if err != nil {
		return err
	}
	if r.cfg.Log != nil {
		missing, err := r.cfg.Log.Read(ctx, letter.Message.Stream, after, 1)
		if err != nil {
			return err
		}
		if len(missing) == 1 && missing[0].Version == after+1 {
			return r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
				marks, err := r.once.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{letter.Message.Stream})
				if err != nil || !marks[0].Parked || marks[0].Version != after {
					return err
				}
				return r.once.inbox.Park(ctx, tx, store.DeadLetter{Consumer: r.once.consumer, Message: missing[0], ParkedAt: time.Now()})
			})
		}
	}
	return &GapError{Stream: letter.Message.Stream, Want: after + 1, Version: letter.Message.Version}
}

// noteFailure keeps the new error with the dead letter; the old one stays when
// that fails.
func (r *Runner[Tx, E]) noteFailure(ctx context.Context, letter *store.DeadLetter, cause error) {
	err := r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		// The lock keeps another redrive and a rebuild away; either may have
		// taken the letter meanwhile.
		if _, err := r.once.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{letter.Message.Stream}); err != nil {
			return err
		}
		oldest, err := r.once.inbox.Parked(ctx, tx, r.once.consumer, letter.Message.Stream, 1)
		if err != nil || len(oldest) == 0 || oldest[0].Message.Version != letter.Message.Version {
			return err
		}
		d := oldest[0]
		d.Error, d.Attempts = cause.Error(), d.Attempts+1
		return r.once.inbox.Park(ctx, tx, d)
	})
	if err != nil {
		r.cfg.Logger.Warn("the new error is not kept with the dead letter", slog.String("consumer", r.once.consumer), slog.Any("error", err))
	}
}
