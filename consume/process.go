package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// maxTrouble is how many messages in a row may meet trouble with the database
// before it is taken to be down.
const maxTrouble = 3

// process handles messages: all in one transaction if that goes well, else each
// by itself, so that only those to blame stay behind. Those of streams that have
// failed before go by themselves from the start. It returns what became of each,
// also beside an error, which says that the runner should pause.
//
// The messages may be a stretch of the log; see applyBatch.
func (r *Runner[Tx, E]) process(ctx context.Context, messages []store.Message, s *stretch) ([]outcome, error) {
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
		applied, err := r.applyBatch(ctx, batch, s)
		if ctx.Err() != nil {
			return outcomes, ctx.Err()
		}
		if err == nil {
			r.committed(batch, applied)
			for k, i := range together {
				outcomes[i] = applied[k]
			}
			together = nil
		}
	}
	trouble := 0
	for _, i := range append(together, alone...) {
		if r.retries.blocks(messages[i].Stream, time.Now()) {
			continue
		}
		var err error
		if outcomes[i], err = r.applySingly(ctx, &messages[i]); err == nil {
			trouble = 0
			continue
		}
		trouble++
		if ctx.Err() != nil || trouble == maxTrouble {
			return outcomes, err
		}
	}
	return outcomes, r.fillGaps(ctx, messages, outcomes)
}

// split tells the messages of streams in good order from those of streams that
// have failed, by their indices.
func (r *Runner[Tx, E]) split(messages []store.Message) (together, alone []int) {
	for i := range messages {
		if _, failing := r.retries[messages[i].Stream]; failing {
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

// committed notes that messages were handled in a committed transaction.
func (r *Runner[Tx, E]) committed(messages []store.Message, outcomes []outcome) {
	for i := range messages {
		if outcomes[i].done() {
			r.retries.done(&messages[i])
		}
	}
	r.logHandled(messages, outcomes)
}

// applySingly handles one message in a transaction of its own. A failure makes
// its stream wait, or parks the message. The error is the database's.
func (r *Runner[Tx, E]) applySingly(ctx context.Context, m *store.Message) (outcome, error) {
	one := []store.Message{*m}
	outcomes, err := r.applyBatch(ctx, one, nil)
	if err != nil {
		return r.failed(ctx, m, err)
	}
	r.committed(one, outcomes)
	return outcomes[0], nil
}

// fillGaps reads from the log what is missing before early messages, and
// handles it and them.
func (r *Runner[Tx, E]) fillGaps(ctx context.Context, messages []store.Message, outcomes []outcome) error {
	if r.cfg.Log == nil {
		return nil
	}
	for i := range messages {
		if outcomes[i] != early {
			continue
		}
		var err error
		if outcomes[i], err = r.fillGap(ctx, &messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// fillGap handles the messages of m's stream from the consumer's mark up to m,
// as far as the log has them.
func (r *Runner[Tx, E]) fillGap(ctx context.Context, m *store.Message) (outcome, error) {
	if r.retries.blocks(m.Stream, time.Now()) {
		return blocked, nil
	}
	after, err := r.markOf(ctx, m.Stream)
	if err != nil {
		return early, err
	}
	// Not the mark says how far this has come: behind a dead letter it stays.
	for after < m.Version {
		page, err := r.cfg.Log.Read(ctx, m.Stream, after, r.cfg.Batch)
		if err != nil {
			return early, fmt.Errorf("fill %s after version %d: %w", m.Stream, after, err)
		}
		if len(page) == 0 {
			return early, nil
		}
		if o, err := r.applyInOrder(ctx, page); err != nil || !o.done() {
			return o, err
		}
		after = page[len(page)-1].Version
	}
	return settled, nil
}

// retryDue tries the messages again whose pause is over. The broker may deliver
// them again too, but need not hold them any more.
func (r *Runner[Tx, E]) retryDue(ctx context.Context) error {
	if r.cfg.Log == nil {
		return nil
	}
	for _, m := range r.retries.due(time.Now()) {
		o, err := r.fillGap(ctx, &m)
		switch {
		case err != nil:
			return err
		case o.done():
			r.retries.done(&m)
		case o == early:
			r.retries.postpone(&m, time.Now())
		}
	}
	return nil
}

// applyInOrder handles messages of one stream: in one transaction, or, if that
// fails or its stream has failed before, each by itself up to the first that is
// not done.
func (r *Runner[Tx, E]) applyInOrder(ctx context.Context, messages []store.Message) (outcome, error) {
	if _, failing := r.retries[messages[0].Stream]; !failing && len(messages) > 1 {
		if outcomes, err := r.applyBatch(ctx, messages, nil); err == nil {
			r.committed(messages, outcomes)
			return outcomes[len(outcomes)-1], nil
		}
	}
	for i := range messages {
		if o, err := r.applySingly(ctx, &messages[i]); err != nil || !o.done() {
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
	// Only what struck in the handler or the decoder speaks against the message.
	var struck *failure
	database := !errors.As(cause, &struck) || r.once.inbox.Transient(cause)
	counts := !database && !r.once.passing(cause)

	if counts && permanent(cause) {
		return r.condemn(ctx, m, 1, cause)
	}
	a, err := r.retries.failed(m, r.once.policy, time.Now())
	if err != nil {
		return blocked, errors.Join(err, cause)
	}
	if counts {
		a.count++
	}
	if a.count >= r.once.policy.MaxAttempts {
		return r.condemn(ctx, m, a.count, cause)
	}
	pause, _ := a.pauses.Next()
	a.until = time.Now().Add(pause)
	r.cfg.Logger.Warn("message failed and is tried again", r.attributes(m, slog.Int("attempts", a.count), slog.Duration("pause", pause), slog.Any("error", cause))...)
	if database {
		return blocked, cause
	}
	return blocked, nil
}

// condemn parks a message that has no chances left. When that fails, the
// database is to blame, and the message keeps its last chance.
func (r *Runner[Tx, E]) condemn(ctx context.Context, m *store.Message, attempts int, cause error) (outcome, error) {
	isNext := func(mark store.Mark) bool { return mark.Version == m.Version-1 }
	if err := r.park(ctx, m, attempts, cause, isNext); err != nil {
		return blocked, errors.Join(cause, fmt.Errorf("park %s version %d: %w", m.Stream, m.Version, err))
	}
	delete(r.retries, m.Stream)
	return settled, nil
}

// attributes tells a log which message is meant.
func (r *Runner[Tx, E]) attributes(m *store.Message, more ...any) []any {
	return append([]any{slog.String("consumer", r.once.consumer), slog.String("type", m.Type),
		slog.String("category", m.Stream.Category), slog.String("id", m.Stream.ID), slog.Int64("version", m.Version)}, more...)
}
