package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

const (
	// silence is how long the server may say nothing at all.
	silence = 2 * heartbeat
	// linger is how long a Fetch with messages waits for the rest of its batch.
	// Mostly the server says at once that there is no more; at the limit of
	// unsettled messages it says nothing.
	linger = 5 * time.Millisecond
	// pullPause is between requests that the server turns down, because other
	// members are about to get what there is.
	pullPause = 50 * time.Millisecond
)

// Fetch implements [broker.Subscription]; it returns 1,000 messages at most.
//
// It returns an error when the consumer or the stream was deleted, when the
// server says that it shuts down, when the connection was closed, and when
// nothing was heard from the server for 10 seconds. After an error subscribe
// again: what is missing is created there. A connection that is lost and comes
// back within 10 seconds is not an error.
func (s *subscription) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	if limit < 1 {
		return nil, fmt.Errorf("fetch limit %d, want at least 1", limit)
	}
	s.fetching.Lock()
	defer s.fetching.Unlock()
	if s.isClosed() {
		return nil, broker.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := fetch{subscription: s, limit: min(limit, maxBatch)}
	err := f.run(ctx)
	if err != nil {
		// Nobody may come for what the request would bring.
		s.withdraw()
	}
	switch {
	case s.isClosed(): // Close gives back what f got
		return nil, broker.ErrClosed
	case len(f.got) > 0: // the error, if any, comes again with the next call
		return f.got, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("fetch from consumer %s of stream %s: %w", s.name, s.broker.cfg.Stream, err)
}

// fetch is one call of Fetch.
type fetch struct {
	*subscription
	limit int
	got   []broker.Delivery
	full  <-chan time.Time // ends the wait for the rest of the batch
	again <-chan time.Time // ends the pause before another request
}

// run returns nil when there are messages to return, and what is left of the
// request may wait for the next call.
func (f *fetch) run(ctx context.Context) error {
	if err := f.prepare(); err != nil {
		return err
	}
	defer func() { f.inbox.left = time.Now() }()
	alive := time.NewTimer(silence)
	defer alive.Stop()
	for {
		if f.inbox.idle() && f.again == nil {
			if len(f.got) > 0 {
				return nil
			}
			if err := f.inbox.request(f.broker, f.name, f.limit); err != nil {
				return err
			}
		}
		select {
		case m := <-f.inbox.msgs:
			alive.Reset(silence)
			if err := f.receive(m); err != nil {
				return err
			}
			if len(f.got) == f.limit {
				return nil
			}
		case <-f.full:
			return nil
		case <-f.again:
			f.again = nil
		case <-f.status:
			// After a reconnect the server may have forgotten the request. After
			// the end of the connection a new one gives its error.
			f.inbox.asked, f.again = 0, nil
		case <-alive.C:
			return jetstream.ErrNoHeartbeat
		case <-ctx.Done():
			return ctx.Err()
		case <-f.closed:
			return broker.ErrClosed
		}
	}
}

func (f *fetch) prepare() error {
	if f.inbox == nil {
		in, err := f.broker.openInbox()
		if err != nil {
			return err
		}
		f.inbox = in
	}
	f.inbox.dropStale(f.ackWait)
	return nil
}

func (f *fetch) receive(m *nats.Msg) error {
	if f.inbox.isStatus(m) {
		return f.control(m)
	}
	d, err := f.take(m)
	if err != nil {
		return err
	}
	f.inbox.asked = max(f.inbox.asked-1, 0)
	f.got = append(f.got, d)
	if f.full == nil {
		f.full = time.After(linger)
	}
	return nil
}

// control follows what the server says about a request.
func (f *fetch) control(m *nats.Msg) error {
	in := f.inbox
	status := m.Header.Get("Status")
	if m.Subject != in.reply || status == "100" {
		return nil // an earlier request, or an idle heartbeat
	}
	in.asked = 0
	switch status {
	case "404", "408": // no more messages; none in time, or other members wait
		if time.Since(in.sent) < pullPause && len(f.got) == 0 {
			f.again = time.After(pullPause)
		}
		return nil
	case "503":
		return errors.New("it does not exist, or the server that leads it is down: subscribe again")
	default:
		return fmt.Errorf("server says %s %s", status, m.Header.Get("Description"))
	}
}
