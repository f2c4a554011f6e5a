package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/eventus-go/eventus/store"
)

// maxTrouble is how many messages in a row may meet trouble with the database
// before it is taken to be down.
const maxTrouble = 3

// handle handles messages: all in one transaction if that goes well, else each
// by itself, so that only those to blame stay behind. It returns what became of
// each, also beside an error, which says that the runner should pause.
//
// The messages may be a stretch of the log; see apply.
func (r *Runner[Tx, E]) handle(ctx context.Context, messages []store.Message, s *stretch) ([]outcome, error) {
	outcomes, clear := r.unblocked(messages)
	if clear {
		applied, err := r.apply(ctx, messages, s)
		if err == nil {
			r.applied(messages, applied)
			return applied, r.fillEarly(ctx, messages, applied)
		}
		if ctx.Err() != nil {
			return outcomes, ctx.Err()
		}
	}
	trouble := 0
	for i := range messages {
		if r.waiting.blocks(messages[i].Stream, r.now()) {
			outcomes[i] = blocked
			continue
		}
		var err error
		if outcomes[i], err = r.alone(ctx, &messages[i]); err == nil {
			trouble = 0
			continue
		}
		trouble++
		if ctx.Err() != nil || !r.once.inbox.Transient(err) || trouble == maxTrouble {
			return outcomes, err
		}
	}
	return outcomes, r.fillEarly(ctx, messages, outcomes)
}

// unblocked reports whether no message's stream waits for a retry. All outcomes
// are blocked to begin with: what is not reached is given back.
func (r *Runner[Tx, E]) unblocked(messages []store.Message) (outcomes []outcome, clear bool) {
	outcomes, clear = make([]outcome, len(messages)), true
	for i := range messages {
		outcomes[i] = blocked
		clear = clear && !r.waiting.blocks(messages[i].Stream, r.now())
	}
	return outcomes, clear
}

// applied notes that messages were handled in a committed transaction.
func (r *Runner[Tx, E]) applied(messages []store.Message, outcomes []outcome) {
	for i := range messages {
		if outcomes[i].done() {
			delete(r.waiting, messages[i].Stream)
		}
	}
	r.logHandled(messages, outcomes)
}

// alone handles one message in a transaction of its own. A failure makes its
// stream wait, or parks the message. The error is the database's.
func (r *Runner[Tx, E]) alone(ctx context.Context, m *store.Message) (outcome, error) {
	one := []store.Message{*m}
	outcomes, err := r.apply(ctx, one, nil)
	if err != nil {
		return r.failed(ctx, m, err)
	}
	r.applied(one, outcomes)
	return outcomes[0], nil
}

// fillEarly reads from the log what is missing before early messages, and
// handles it and them.
func (r *Runner[Tx, E]) fillEarly(ctx context.Context, messages []store.Message, outcomes []outcome) error {
	if r.Log == nil {
		return nil
	}
	for i := range messages {
		if outcomes[i] != early {
			continue
		}
		var err error
		if outcomes[i], err = r.fill(ctx, &messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// fill handles the messages of m's stream from the consumer's mark on, as far
// as the log has them.
func (r *Runner[Tx, E]) fill(ctx context.Context, m *store.Message) (outcome, error) {
	for {
		if r.waiting.blocks(m.Stream, r.now()) {
			return blocked, nil
		}
		after, err := r.markOf(ctx, m.Stream)
		if err != nil {
			return early, err
		}
		if after >= m.Version {
			return settled, nil
		}
		page, err := r.Log.Read(ctx, m.Stream, after, r.Batch)
		if err != nil {
			return early, fmt.Errorf("fill %s after version %d: %w", m.Stream, after, err)
		}
		if len(page) == 0 {
			return early, nil
		}
		outcomes, err := r.apply(ctx, page, nil)
		if err != nil {
			if o, err := r.page(ctx, page); err != nil || !o.done() {
				return o, err
			}
			continue
		}
		r.applied(page, outcomes)
		if !outcomes[0].done() {
			// Set back meanwhile: the walk over the log takes care of it.
			return early, nil
		}
		if page[len(page)-1].Version >= m.Version {
			return settled, nil
		}
	}
}

// page handles the messages of one stream each by itself, up to the first that
// is not done.
func (r *Runner[Tx, E]) page(ctx context.Context, messages []store.Message) (outcome, error) {
	for i := range messages {
		if o, err := r.alone(ctx, &messages[i]); err != nil || !o.done() {
			return o, err
		}
	}
	return settled, nil
}

// markOf returns the consumer's mark for a stream.
func (r *Runner[Tx, E]) markOf(ctx context.Context, s store.Stream) (version int64, err error) {
	err = r.once.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		marks, err := r.once.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{s})
		if err == nil {
			version = marks[0].Version
		}
		return err
	})
	return version, err
}

// failed decides what a failed attempt at m means: a pause for its stream, or
// the end of the message's chances. It returns the error when the database is
// to blame.
func (r *Runner[Tx, E]) failed(ctx context.Context, m *store.Message, cause error) (outcome, error) {
	if ctx.Err() != nil {
		return blocked, ctx.Err()
	}
	a, err := r.waiting.failed(m, r.once.retry, r.now())
	if err != nil {
		return blocked, errors.Join(err, cause)
	}
	var struck *failure
	passing := r.once.inbox.Transient(cause)
	if !passing {
		a.count++
	}
	if permanent(cause) || a.count >= r.once.retry.Attempts {
		if err := r.park(ctx, m, a.count, cause); err == nil {
			delete(r.waiting, m.Stream)
			return settled, nil
		} else {
			cause = errors.Join(cause, fmt.Errorf("park it: %w", err))
		}
	}
	pause, _ := a.pauses.Next()
	a.until = r.now().Add(pause)
	r.Logger.Warn("message failed and is tried again", slog.String("consumer", r.once.consumer),
		slog.String("type", m.Type), slog.String("category", m.Stream.Category), slog.String("id", m.Stream.ID), slog.Int64("version", m.Version),
		slog.Int("attempts", a.count), slog.Duration("pause", pause), slog.Any("error", cause))
	if !errors.As(cause, &struck) || passing {
		return blocked, cause
	}
	return blocked, nil
}
