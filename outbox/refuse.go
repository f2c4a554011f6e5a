package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/store"
)

// A refused message is tried again a minute later, then after twice the time
// before, up to an hour, and whenever a relay takes the lease.
const (
	firstRetry   = time.Minute
	longestRetry = time.Hour
)

// refusalOf returns the refusal of one of the messages that were not confirmed,
// nil when err is anything else.
func refusalOf(err error, confirmed, n int) *broker.RefusedError {
	var refusal *broker.RefusedError
	if errors.As(err, &refusal) && refusal.Index >= confirmed && refusal.Index < n {
		return refusal
	}
	return nil
}

// refuse notes that the broker refuses m.
func (r *Relay) refuse(ctx context.Context, m store.Outgoing, reason error) error {
	wait := longestRetry
	if m.Attempts < 6 {
		wait = firstRetry << m.Attempts
	}
	r.cfg.Logger.Error("the broker refuses a message: it stays in the outbox, and later messages of its stream wait for it",
		slog.String("category", m.Stream.Category), slog.String("id", m.Stream.ID), slog.Int64("version", m.Version),
		slog.Int64("position", m.Position), slog.Any("error", reason), slog.Duration("retry", wait))
	return r.outbox.Refuse(ctx, m.Position, reason.Error(), wait)
}

// readmit takes refused messages back into the line, those that are due or all.
func (r *Relay) readmit(ctx context.Context, all bool) error {
	first, err := r.outbox.Readmit(ctx, all)
	if err != nil {
		r.after = 0 // they may be back all the same
		return err
	}
	if first > 0 {
		r.after = min(r.after, first-1)
	}
	return nil
}
