package consume

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

const (
	// earlyDelay is the pause for a message whose predecessor is not there,
	// times the number of its deliveries.
	earlyDelay = 100 * time.Millisecond
	// earlyDeliveries is when the predecessor is given up: after 0.1 + 0.2 +
	// ... + 4.9 seconds, two minutes.
	earlyDeliveries = 50
	// settleTimeout bounds what the broker may take to note the settlements of
	// a batch. One that is missed costs a repeated message.
	settleTimeout = 5 * time.Second
)

// delivery is a message in hand, with the broker's end of it.
type delivery struct {
	broker.Delivery
	message store.Message
}

// deliver handles a batch from the broker and settles each message.
func (r *Runner[Tx, E]) deliver(ctx context.Context, incoming []broker.Delivery) error {
	stop := r.heartbeat(ctx, incoming)
	defer stop()
	batch := r.decodeEnvelopes(ctx, incoming)
	messages := make([]store.Message, len(batch))
	for i := range batch {
		messages[i] = batch[i].message
	}
	outcomes, err := r.process(ctx, messages, nil)
	for i := range batch {
		if outcomes[i] == early && batch[i].Attempt() >= earlyDeliveries {
			outcomes[i] = r.parkEarly(ctx, &messages[i], batch[i].Attempt())
		}
	}
	// One bound for the batch, so that a broker that hangs does not hold up the
	// end of Run once for each message.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	for i := range batch {
		r.noteSettlement(r.settle(ctx, &batch[i], outcomes[i]))
	}
	return err
}

// parkEarly gives up waiting for what comes before a message: its stream is
// visible among the dead letters then, and holds no more of the broker's
// deliveries.
func (r *Runner[Tx, E]) parkEarly(ctx context.Context, m *store.Message, deliveries int) outcome {
	mark, err := r.markOf(ctx, m.Stream)
	if err == nil {
		gap := &GapError{Stream: m.Stream, Want: mark + 1, Version: m.Version}
		isEarly := func(mark store.Mark) bool { return mark.Version < m.Version-1 }
		err = r.park(ctx, m, deliveries, gap, isEarly)
	}
	if err != nil {
		r.cfg.Logger.Warn("early message not parked", r.attributes(m, slog.Any("error", err))...)
		return early
	}
	return settled
}

// decodeEnvelopes puts the messages of a batch in order as well: cheaper than to
// find out that one is early.
func (r *Runner[Tx, E]) decodeEnvelopes(ctx context.Context, incoming []broker.Delivery) []delivery {
	batch := make([]delivery, 0, len(incoming))
	for _, d := range incoming {
		e, err := cloudevents.Decode(d.Message())
		m := e.Message
		if err == nil && m.Version == 0 {
			err = errors.New("it has no version")
		}
		if err != nil {
			// Without a stream and a version there is nothing to park it under.
			// If it was the damaged copy of a stored event, the log heals it.
			r.cfg.Logger.Error("message without a usable envelope is dropped", slog.String("consumer", r.once.consumer),
				slog.String("message", d.Message().ID), slog.Any("error", err))
			terminate, cancel := context.WithTimeout(ctx, settleTimeout)
			r.noteSettlement(d.Term(terminate, err.Error()))
			cancel()
			continue
		}
		batch = append(batch, delivery{d, m})
	}
	slices.SortStableFunc(batch, func(a, b delivery) int {
		return cmp.Or(cmp.Compare(a.message.Position, b.message.Position), cmp.Compare(a.message.Version, b.message.Version))
	})
	return batch
}

func (r *Runner[Tx, E]) settle(ctx context.Context, d *delivery, o outcome) error {
	switch {
	case o.done():
		return d.Ack(ctx)
	case o == blocked:
		return d.Nak(ctx, r.retries.left(d.message.Stream, time.Now()))
	default:
		return d.Nak(ctx, time.Duration(d.Attempt())*earlyDelay)
	}
}

// noteSettlement logs a settlement that failed. Nothing is lost by it: the
// message comes again, and the mark knows.
func (r *Runner[Tx, E]) noteSettlement(err error) {
	if err != nil {
		r.cfg.Logger.Warn("message not settled", slog.String("consumer", r.once.consumer), slog.Any("error", err))
	}
}

// heartbeat tells the broker that messages are being worked on, until stopped.
func (r *Runner[Tx, E]) heartbeat(ctx context.Context, messages []broker.Delivery) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(r.cfg.Heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, d := range messages {
				// Those settled meanwhile answer with an error.
				_ = d.InProgress(ctx)
			}
		}
	}()
	return func() { cancel(); <-stopped }
}
