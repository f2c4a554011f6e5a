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
// by itself, so that only those to blame stay behind. Those of streams that have
// failed before go by themselves from the start. It returns what became of each,
// also beside an error, which says that the runner should pause.
//
// The messages may be a stretch of the log; see apply.
func (r *Runner[Tx, E]) handle(ctx context.Context, messages []store.Message, s *stretch) ([]outcome, error) {
	outcomes := make([]outcome, len(messages))
	for i := range outcomes {
		outcomes[i] = blocked // what is not reached is given back
	}
	together, alone := r.split(messages)
	if len(alone) > 0 {
		s = nil
	}
	if len(together) > 1 || s != nil {
		batch := pick(messages, together)
		applied, err := r.apply(ctx, batch, s)
		if ctx.Err() != nil {
			return outcomes, ctx.Err()
		}
		if err == nil {
			r.applied(batch, applied)
			for k, i := range together {
				outcomes[i] = applied[k]
			}
			together = nil
		}
	}
	trouble := 0
	for _, i := range append(together, alone...) {
		if r.waiting.blocks(messages[i].Stream, r.now()) {
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

// split tells the messages of streams in good order from those of streams that
// have failed, by their indices.
func (r *Runner[Tx, E]) split(messages []store.Message) (together, alone []int) {
	for i := range messages {
		if _, failing := r.waiting[messages[i].Stream]; failing {
			alone = append(alone, i)
		} else {
			together = append(together, i)
		}
	}
	return together, alone
}

func pick(messages []store.Message, indices []int) []store.Message {
	if len(indices) == len(messages) {
		return messages
	}
	picked := make([]store.Message, len(indices))
	for k, i := range indices {
		picked[k] = messages[i]
	}
	return picked
}

// applied notes that messages were handled in a committed transaction.
func (r *Runner[Tx, E]) applied(messages []store.Message, outcomes []outcome) {
	for i := range messages {
		if outcomes[i].done() {
			r.waiting.done(&messages[i])
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
