package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
)

const (
	// longestTurn is how long a loop may not have turned before the process
	// counts as hung. A loop that fails tries again after 5 seconds at most, and
	// a try that waits for the database ends with its context or its connection.
	longestTurn = time.Minute
	// longestLag is the age of an event from which on the read model counts as
	// behind.
	longestLag = 30 * time.Second
)

// health answers the health checks of a process.
type health[Tx any] struct {
	started  time.Time
	db       *database[Tx]
	nats     *messaging
	relay    *outbox.Relay
	follower *consume.Follower[Tx]
}

// live returns an error when a loop of this process hangs.
func (h health[Tx]) live(context.Context) error {
	return errors.Join(
		h.turns("relay", h.relay.State().LastTurn),
		h.turns("consumer "+consumer, h.follower.LastTurn()),
	)
}

func (h health[Tx]) turns(loop string, last time.Time) error {
	if last.IsZero() {
		last = h.started
	}
	if age := time.Since(last); age > longestTurn {
		return fmt.Errorf("the loop of the %s has not turned for %s", loop, age.Round(time.Second))
	}
	return nil
}

// ready returns an error when commands cannot be taken, that is, when the database
// does not answer, or has found damage in its own files. They need neither NATS nor
// the read model. A damaged event stops those who need it, and nobody else.
func (h health[Tx]) ready(ctx context.Context) (product.Health, error) {
	if err := h.db.ping(ctx); err != nil {
		return product.Health{}, fmt.Errorf("the database does not answer: %w", err)
	}
	state := product.Health{NATS: "connected"}
	switch damage := h.db.events.Damage(); {
	case damage == nil:
	case damage.Version == 0:
		return product.Health{}, damage
	default:
		state.Degraded = append(state.Degraded, fmt.Sprintf("store: the event at position %d is damaged; restore it from a backup", damage.Position))
	}
	if !h.nats.conn.IsConnected() {
		state.NATS = "disconnected"
		state.Degraded = append(state.Degraded, "nats: disconnected; events are stored, and published when it is back")
	}
	if h.relay.State().Err != nil {
		state.Degraded = append(state.Degraded, "relay: it pauses after an error; the log has it")
	}
	s, err := h.follower.State(ctx)
	if err != nil {
		state.Degraded = append(state.Degraded, "consumer "+consumer+": "+stateless(err))
		return state, nil
	}
	state.Consumer = &product.ConsumerHealth{
		Name: s.Name, Status: string(s.Status), LagEvents: s.LagEvents, LagSeconds: s.Lag.Seconds(),
	}
	for reason, count := range s.Parked {
		if state.Consumer.Parked == nil {
			state.Consumer.Parked = make(map[string]int64)
		}
		state.Consumer.Parked[string(reason)] = count.Streams
	}
	state.Degraded = append(state.Degraded, troubles(s)...)
	return state, nil
}

// stateless says why there is no state, without what clients must not see.
func stateless(err error) string {
	if errors.Is(err, store.ErrNoConsumer) {
		return "it has not started yet"
	}
	return "its state cannot be read"
}

// troubles has a sentence for each thing that is wrong with the consumer.
func troubles(s consume.State) (sentences []string) {
	say := func(format string, args ...any) {
		sentences = append(sentences, "consumer "+s.Name+": "+fmt.Sprintf(format, args...))
	}
	switch s.Status {
	case consume.Running:
	case consume.ForkedLog:
		say("forked: the log is not the one that it has followed; rebuild it")
	default:
		say("%s", s.Status)
	}
	if s.Lag > longestLag {
		say("the read model is %s behind", s.Lag.Round(time.Second))
	}
	reasons := make([]store.Reason, 0, len(s.Parked))
	for reason := range s.Parked {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		say("%d parked streams (%s), the oldest since %s", s.Parked[reason].Streams, reason, s.Parked[reason].Oldest.UTC().Format(time.RFC3339))
	}
	return sentences
}
