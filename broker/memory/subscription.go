package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/broker"
)

// subscription is one member of a durable.
type subscription struct {
	broker  *Broker
	durable *durable

	held   map[*delivery]struct{} // fetched and not settled; guarded by broker.mu
	closed chan struct{}          // closed under broker.mu
}

// Fetch implements [broker.Subscription].
func (s *subscription) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	if limit < 1 {
		return nil, fmt.Errorf("fetch limit %d, want at least 1", limit)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, w := s.take(limit)
		if len(got) > 0 {
			return got, nil
		}
		if err := w.wait(ctx, s.closed); err != nil {
			return nil, err
		}
	}
}

// take returns what is due now; when that is nothing, it returns what to wait
// for instead.
func (s *subscription) take(limit int) ([]broker.Delivery, waiter) {
	b, d := s.broker, s.durable
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.isClosed() {
		return nil, waiter{}
	}
	now := time.Now()
	taken := d.take(b.topics[d.topic], limit, now, b.ackWait)
	if len(taken) == 0 {
		w := waiter{changed: d.changed}
		if due, ok := d.nextDue(); ok {
			w.due, w.timed = due.Sub(now), true
		}
		return nil, w
	}
	deliveries := make([]broker.Delivery, len(taken))
	for i, m := range taken {
		dl := &delivery{subscription: s, message: m, copy: clone(m.Message), attempt: m.attempt}
		s.held[dl] = struct{}{}
		deliveries[i] = dl
	}
	return deliveries, waiter{}
}

// Close implements [broker.Subscription].
func (s *subscription) Close() error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.isClosed() {
		return nil
	}
	close(s.closed)
	now := time.Now()
	for dl := range s.held {
		if dl.current() {
			dl.message.due = now
		}
	}
	clear(s.held)
	s.durable.wake()
	return nil
}

func (s *subscription) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// waiter is what a Fetch without messages waits for.
type waiter struct {
	changed <-chan struct{}
	due     time.Duration // until an open message is due
	timed   bool          // whether there is one
}

func (w waiter) wait(ctx context.Context, closed <-chan struct{}) error {
	var due <-chan time.Time
	if w.timed {
		timer := time.NewTimer(w.due)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-closed:
		return broker.ErrClosed
	case <-w.changed:
	case <-due:
	}
	return nil
}
