package consume

import (
	"cmp"
	"context"
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
	maxEarly   = 10 * time.Second
	// settleTimeout bounds what the broker may take to note a settlement. One
	// that is missed costs a repeated message.
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
	batch := r.open(ctx, incoming)
	messages := make([]store.Message, len(batch))
	for i := range batch {
		messages[i] = batch[i].message
	}
	outcomes, err := r.handle(ctx, messages, nil)
	for i := range batch {
		r.settle(ctx, &batch[i], outcomes[i])
	}
	return err
}

// open reads the envelopes, and puts the messages of a batch in order: cheaper
// than to find out that one is early.
func (r *Runner[Tx, E]) open(ctx context.Context, incoming []broker.Delivery) []delivery {
	batch := make([]delivery, 0, len(incoming))
	for _, d := range incoming {
		m, err := cloudevents.Decode(d.Message())
		if err != nil {
			// Without a stream and a version there is nothing to park it under.
			// If it was the damaged copy of a stored event, the log heals it.
			r.Logger.Error("message without a usable envelope is dropped", slog.String("consumer", r.once.consumer),
				slog.String("message", d.Message().ID), slog.Any("error", err))
			r.settled(d.Term(ctx, err.Error()))
			continue
		}
		batch = append(batch, delivery{d, m})
	}
	slices.SortStableFunc(batch, func(a, b delivery) int {
		return cmp.Or(cmp.Compare(a.message.Position, b.message.Position), cmp.Compare(a.message.Version, b.message.Version))
	})
	return batch
}

func (r *Runner[Tx, E]) settle(ctx context.Context, d *delivery, o outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	switch {
	case o.done():
		r.settled(d.Ack(ctx))
	case o == blocked:
		r.settled(d.Nak(ctx, r.waiting.left(d.message.Stream, r.now())))
	default:
		r.settled(d.Nak(ctx, min(time.Duration(d.Attempt())*earlyDelay, maxEarly)))
	}
}

// settled notes a settlement that failed. Nothing is lost by it: the message
// comes again, and the mark knows.
func (r *Runner[Tx, E]) settled(err error) {
	if err != nil {
		r.Logger.Warn("message not settled", slog.String("consumer", r.once.consumer), slog.Any("error", err))
	}
}

// heartbeat tells the broker that messages are being worked on, until stopped.
func (r *Runner[Tx, E]) heartbeat(ctx context.Context, messages []broker.Delivery) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(r.Heartbeat)
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
