package jetstream

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker"
)

// subscription is one member of a durable consumer. Its Fetch sends pull
// requests of its own.
//
// The client's Consumer does not fit. Its Fetch waits until the batch is full,
// its Messages and Consume take messages ahead, whose acknowledgement wait then
// runs while they lie in a buffer, and when a context ends all of them drop what
// is on its way, which comes back only after that wait.
type subscription struct {
	broker  *Broker
	name    string
	ackWait time.Duration
	status  chan nats.Status

	fetching  sync.Mutex // held by Fetch
	inbox     *inbox     // nil when there is none; guarded by fetching
	returning sync.WaitGroup

	mu     sync.Mutex
	held   map[*delivery]struct{} // fetched and not settled
	closed chan struct{}          // closed under mu
}

func (b *Broker) newSubscription(name string, ackWait time.Duration) *subscription {
	return &subscription{
		broker:  b,
		name:    name,
		ackWait: ackWait,
		status:  b.nc.StatusChanged(nats.CONNECTED, nats.CLOSED),
		held:    make(map[*delivery]struct{}),
		closed:  make(chan struct{}),
	}
}

// take makes m a delivery of this member. When the member has left meanwhile,
// it gives m back.
func (s *subscription) take(m *nats.Msg) (*delivery, error) {
	info, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("message on %s is not a delivery of JetStream: %w", m.Subject, err)
	}
	d := &delivery{
		subscription: s,
		reply:        m.Reply,
		message:      s.broker.decode(m),
		attempt:      int(info.NumDelivered),
		sequence:     info.Sequence.Stream,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		_ = s.broker.tell(m.Reply, nak)
		return nil, broker.ErrClosed
	}
	s.held[d] = struct{}{}
	return d, nil
}

func (s *subscription) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// Close implements [broker.Subscription]. It hands back what was fetched and not
// settled, and what the server sent and nobody fetched. While the connection is
// down that is not possible: then they come back after the acknowledgement wait.
func (s *subscription) Close() error {
	s.mu.Lock()
	if s.isClosed() {
		s.mu.Unlock()
		return nil
	}
	close(s.closed)
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for d := range held {
		_ = s.broker.tell(d.reply, nak)
	}

	s.fetching.Lock() // a Fetch that waits has seen closed
	defer s.fetching.Unlock()
	s.broker.nc.RemoveStatusListener(s.status)
	s.withdraw()
	s.returning.Wait()
	return nil
}

// withdraw takes back the request that is with the server, if there is one, and
// hands back what it brings meanwhile. It does not wait for that; Close does.
func (s *subscription) withdraw() {
	if in := s.inbox; in != nil {
		s.inbox = nil
		s.returning.Go(func() { in.giveBack(s.broker) })
	}
}
