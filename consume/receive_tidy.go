package consume

import (
	"context"
	"errors"
	"log/slog"

	"github.com/eventus-go/eventus/store"
)

const (
	forgetPage = 10_000
	orphanPage = 100
)

// look counts what waits, removes what is too old or too much, and notices that
// the inbox was reset.
func (r *Receiver[Tx, E]) look(ctx, work context.Context) error {
	consumer := r.once.consumer
	incarnation, err := r.inbox.Incarnation(ctx, consumer)
	if err != nil {
		return err
	}
	if current := r.incarnation.Load(); current != nil && *current != incarnation {
		r.resubscribe()
	}
	counts, err := r.inbox.CountQueues(ctx, consumer, r.categories())
	if err != nil {
		return err
	}
	r.tally.setCounts(counts)
	if n := counts.Streams[store.Gap]; r.gaps.persist(n) {
		r.log.Warn("streams miss events, which the broker has lost or not delivered yet; skip them if they are lost", slog.Int64("streams", n))
	}
	if r.tally.recover() {
		r.log.Warn("receiver is no longer degraded")
	}
	if err := r.evict(ctx, work, counts); err != nil {
		return err
	}
	if r.foreign {
		if _, err := r.inbox.ForgetOlder(ctx, consumer, r.cfg.DedupWindow, forgetPage); err != nil {
			return err
		}
	}
	_, err = r.inbox.TrimDeadLetters(ctx, consumer, r.cfg.MaxDeadLetters)
	return err
}

// gapAlarm is how many looks in a row must see gaps before they are logged: most
// are filled at once, by a message that came out of turn.
const gapAlarm = 6

// gapWatch counts looks in a row that saw gaps.
type gapWatch int

// persist reports whether gaps have been there for as many looks as it takes to
// log them, or to log them again.
func (w *gapWatch) persist(gaps int64) bool {
	if gaps == 0 {
		*w = 0
		return false
	}
	*w++
	return *w%gapAlarm == 0
}

func (r *Receiver[Tx, E]) resubscribe() {
	select {
	case r.renew <- struct{}{}:
	default:
	}
}

// evict makes the oldest orphans dead letters when there are too many of them,
// or when they take the room that other streams need.
func (r *Receiver[Tx, E]) evict(ctx, work context.Context, counts store.QueueCounts) error {
	spared := r.cfg.MaxOrphans
	if counts.Messages > int64(r.cfg.MaxQueued)*4/5 {
		spared /= 10
	}
	if counts.Streams[store.Gap] <= int64(spared) {
		return nil
	}
	evicted := 0
	for ctx.Err() == nil {
		orphans, err := r.inbox.OrphanQueues(ctx, r.once.consumer, r.categories(), spared, orphanPage)
		if err != nil {
			return err
		}
		for _, q := range orphans {
			if err := r.evictOne(work, q.Stream); err != nil {
				return err
			}
		}
		evicted += len(orphans)
		if len(orphans) < orphanPage {
			break
		}
	}
	if evicted > 0 {
		r.log.Error("streams whose first event did not come are dead letters: somebody publishes events of streams that do not exist, or the broker has lost the beginning",
			slog.Int("streams", evicted))
	}
	return nil
}

var errOrphan = errors.New("the first event of its stream did not come, and too many streams wait for theirs")

// evictOne makes the messages of an orphan dead letters.
func (r *Receiver[Tx, E]) evictOne(work context.Context, s store.Stream) error {
	buried := 0
	err := r.transact(work, func(ctx context.Context, tx Tx) error {
		marks, err := r.inbox.Marks(ctx, tx, r.once.consumer, []store.Stream{s})
		if err != nil || marks[0].Reason != store.Gap || marks[0].Version > 0 {
			return err
		}
		queued, err := r.inbox.Queued(ctx, tx, r.once.consumer, s, r.cfg.MaxQueuedPerStream)
		if err != nil {
			return err
		}
		for _, m := range queued {
			if err := r.inbox.AddDeadLetter(ctx, tx, r.letterOf(m, errOrphan.Error(), "")); err != nil {
				return err
			}
		}
		buried = len(queued)
		return r.inbox.DeleteQueue(ctx, tx, r.once.consumer, s)
	})
	if err == nil {
		r.tally.unusable.Add(int64(buried))
	}
	return err
}

// letterOf returns the dead letter of a message that waited.
func (r *Receiver[Tx, E]) letterOf(m store.QueuedMessage, cause, reason string) store.DeadLetter {
	l := store.DeadLetter{Consumer: r.once.consumer, Message: r.plain(m.Message), Source: m.Source, Size: len(m.Data), Error: cause, Reason: reason}
	l.Message.Data = m.Data[:min(len(m.Data), maxLetterData)]
	return l
}
