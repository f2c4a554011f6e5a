package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
)

// unreadable reports whether an error speaks against the program and not against
// the message: another program may know the event.
func unreadable(err error) bool {
	var d *eventus.DecodeError
	return errors.As(err, &d)
}

// park sets a stream aside at a message, and moves the segment past it. A stream
// that is parked already keeps its row: the message is one of those that wait.
func (w *worker[Tx]) park(work context.Context, it *item[Tx], f fault, to store.Progress) error {
	p := store.Parked{
		Consumer: w.id, Stream: it.Stream, Hash: hash(it.Stream),
		Version: it.Version, Position: it.Position, EventID: it.ID, Since: time.Now(),
	}
	delay := w.charge(&p, f)
	w.anyParked, w.lookAgain = true, firstDueInterval
	waits := false
	w.hadParked = true
	err := w.transact(work, func(ctx context.Context, tx Tx) (store.Progress, error) {
		rows, err := w.db.FindParked(ctx, tx, w.id, []store.Stream{it.Stream})
		if waits = len(rows) > 0; err != nil || waits {
			return to, err
		}
		return to, w.db.SetParked(ctx, tx, p, delay)
	})
	if err != nil {
		return fmt.Errorf("park %s version %d: %w; it failed with: %w", p.Stream, p.Version, err, f.err)
	}
	if !waits {
		w.logParked(p, it.Type, delay)
	}
	return nil
}

// charge notes a fault in the row of a parked stream and returns the pause before
// the next try.
func (w *worker[Tx]) charge(p *store.Parked, f fault) time.Duration {
	p.Reason, p.Error = f.reason, f.err.Error()
	if f.counts {
		p.Attempts++
	}
	switch {
	case p.Reason == store.Poison, p.Reason == store.Waiting && p.Attempts >= w.cfg.Retry.MaxAttempts:
		p.Reason = store.Poison
		return 0
	case p.Reason == store.Unknown:
		return w.cfg.Retry.MaxDelay
	case f.counts:
		return w.cfg.Retry.delay(p.Attempts)
	}
	// Uncounted failures are tried again in growing distances too.
	return min(w.cfg.Retry.BaseDelay+max(0, time.Since(p.Since)/2), w.cfg.Retry.MaxDelay)
}

func (w *worker[Tx]) logParked(p store.Parked, eventType string, delay time.Duration) {
	attributes := []any{
		slog.String("category", p.Stream.Category), slog.String("id", p.Stream.ID), slog.Int64("version", p.Version),
		slog.String("event_id", p.EventID), slog.String("type", eventType), slog.Int("attempt", p.Attempts),
		slog.String("reason", string(p.Reason)), slog.String("error", p.Error),
	}
	switch p.Reason {
	case store.Poison, store.Forked:
		w.log.Error("stream is parked; its later messages wait until it is redriven or the message is skipped", attributes...)
	case store.Unknown:
		w.log.Warn("stream is parked until a program comes that knows the event", append(attributes, slog.Duration("pause", delay))...)
	default:
		w.log.Warn("message failed; its stream is parked until the next try", append(attributes, slog.Duration("pause", delay))...)
	}
}

// parkedOf returns those streams of a chunk that are parked: their messages wait
// in the log for their turn.
func (w *worker[Tx]) parkedOf(ctx context.Context, tx Tx, chunk []item[Tx]) (map[store.Stream]bool, error) {
	streams := make([]store.Stream, len(chunk))
	for i := range chunk {
		streams[i] = chunk[i].Stream
	}
	rows, err := w.db.FindParked(ctx, tx, w.id, streams)
	if err != nil {
		return nil, fmt.Errorf("look for parked streams: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	parked := make(map[store.Stream]bool, len(rows))
	for _, p := range rows {
		parked[p.Stream] = true
	}
	return parked, nil
}

// errChanged means that an operator has changed the row of a parked stream.
var errChanged = errors.New("the parked stream was changed by somebody else")

// changeParked calls change with the row of a parked stream, which it locks. It
// fails with errChanged when the row is not the one that was read before.
func (w *worker[Tx]) changeParked(ctx context.Context, tx Tx, was store.Parked, change func(p *store.Parked) error) error {
	rows, err := w.db.FindParked(ctx, tx, w.id, []store.Stream{was.Stream})
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0].Version != was.Version || rows[0].Reason != was.Reason || rows[0].Attempts != was.Attempts {
		return errChanged
	}
	return change(&rows[0])
}
