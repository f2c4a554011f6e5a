package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/broker"
)

const (
	// settleTime bounds what the broker may take to note the settlements of a
	// batch. A settlement that is missed costs a repeated message.
	settleTime = 5 * time.Second
	// longestLeave is the longest pause of a message that is left to the broker.
	longestLeave = 30 * time.Second
)

// session subscribes and handles live messages until something fails, ctx ends,
// or the inbox is reset. It reports whether it could subscribe.
func (r *Receiver[Tx, E]) session(ctx, work context.Context) (subscribed bool, err error) {
	incarnation, err := r.inbox.Incarnation(ctx, r.once.consumer)
	if err != nil {
		return false, err
	}
	name := r.subscription(incarnation)
	subscription, err := r.subscriber.Subscribe(ctx, name, r.source.Category(), broker.FromFirst)
	if err != nil {
		return false, fmt.Errorf("subscribe as %s: %w", name, err)
	}
	r.incarnation.Store(&incarnation)
	defer func() {
		if err := subscription.Close(); err != nil {
			r.log.Warn("subscription is not closed", slog.Any("error", err))
		}
	}()
	for ctx.Err() == nil {
		deliveries, renewed, err := r.fetch(ctx, subscription)
		if err != nil {
			return true, err
		}
		if renewed {
			r.log.Warn("the inbox was reset: the receiver subscribes again, from the first message on; the old subscription can be deleted at the broker",
				slog.String("subscription", name))
			return true, nil
		}
		if len(deliveries) == 0 {
			continue
		}
		if err := r.deliver(work, deliveries); err != nil {
			return true, err
		}
	}
	return true, nil
}

// fetch waits for messages until ctx ends or the inbox is reset.
func (r *Receiver[Tx, E]) fetch(ctx context.Context, s broker.Subscription) (deliveries []broker.Delivery, renewed bool, err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-r.renew:
			renewed = true
			cancel()
		case <-waiting.Done():
		}
	}()
	deliveries, err = s.Fetch(waiting, r.cfg.BatchSize)
	ended := waiting.Err() != nil
	cancel()
	<-watched
	if err != nil && !ended {
		return nil, false, fmt.Errorf("fetch: %w", err)
	}
	return deliveries, renewed, nil
}

// deliver handles a batch and settles what became of each message. On an error,
// messages that are not settled come again.
func (r *Receiver[Tx, E]) deliver(work context.Context, deliveries []broker.Delivery) error {
	r.tally.received.Add(int64(len(deliveries)))
	defer r.heartbeat(work, deliveries)()
	batch, err := r.sort(work, deliveries)
	if err != nil {
		return err
	}
	return r.process(work, batch)
}

// settle acknowledges messages, or leaves them to the broker.
func (r *Receiver[Tx, E]) settle(work context.Context, arrivals []*arrival) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), settleTime)
	defer cancel()
	for _, a := range arrivals {
		err := error(nil)
		if a.left {
			err = a.delivery.Nak(ctx, min(time.Duration(a.delivery.Attempt())*time.Second, longestLeave))
		} else {
			err = a.delivery.Ack(ctx)
		}
		if err != nil {
			// Nothing is lost: the message comes again, and the mark knows it.
			r.log.Warn("message is not settled", slog.String("message", a.event.ID), slog.Any("error", err))
		}
	}
}

// heartbeat tells the broker that messages are being worked on, until stopped.
func (r *Receiver[Tx, E]) heartbeat(work context.Context, deliveries []broker.Delivery) (stop func()) {
	ctx, cancel := context.WithCancel(work)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(r.cfg.HeartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, d := range deliveries {
				_ = d.InProgress(ctx) // those that are settled do nothing
			}
		}
	}()
	return func() { cancel(); <-stopped }
}

// errGoexit and errStuck are failures of a handler that its caller does not see.
var (
	errGoexit = errors.New("the handler called runtime.Goexit")
	errStuck  = errors.New("the handler has not returned although its context has ended")
)

// transact runs f in a transaction, in a goroutine of its own: a handler that
// calls runtime.Goexit, or never returns, ends no more than its transaction. What
// f leaves in variables around it may be read when transact returns nil.
func (r *Receiver[Tx, E]) transact(work context.Context, f func(ctx context.Context, tx Tx) error) error {
	ctx, cancel := context.WithTimeout(work, r.cfg.TransactionTimeout)
	defer cancel()
	result := make(chan error, 1)
	var begun atomic.Bool
	go func() {
		err := error(&failure{errGoexit})
		defer func() { result <- err }()
		err = r.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
			begun.Store(true)
			return f(ctx, tx)
		})
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(r.cfg.TransactionTimeout / 8)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		if !begun.Load() {
			return fmt.Errorf("the database has not begun a transaction in %v, Config.TransactionTimeout", r.cfg.TransactionTimeout)
		}
		return &failure{errStuck}
	}
}
