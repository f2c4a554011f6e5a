package consume

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// State is what can be seen of a consumer.
type State struct {
	store.Consumer
	Status Status
	// Head is the end of the log.
	Head store.Head
	// LagEvents is how many positions the segment that is furthest behind has
	// before it: at most so many messages.
	LagEvents int64
	// Lag is the age of the oldest message that is neither handled nor parked, 0
	// at the head.
	Lag time.Duration
	// Parked counts the streams that are parked, by reason.
	Parked map[store.Reason]store.ParkedCount
	// HeldUp says which open transactions keep the log, and with it the consumer,
	// from going on, and since when. It is zero when nobody does, for a consumer
	// that has not come to that place yet, and for two seconds after an append
	// has begun. The consumer goes on by itself once the transactions end.
	HeldUp store.LogBlock
}

// Status says in a word how a consumer is.
type Status string

const (
	// Running consumers have a member for each segment.
	Running Status = "running"
	// Stopped consumers have segments that no living member owns. Start the
	// program, or look into its log.
	Stopped Status = "stopped"
	// Paused consumers were paused by an operator.
	Paused Status = "paused"
	// Building consumers wait for a member to empty their read model.
	Building Status = "building"
	// Behind consumers have streams with events that the program does not know.
	Behind Status = "behind"
	// ForkedLog consumers have followed another log. See [store.Progress].
	ForkedLog Status = "forked"
	// Renamed consumers have another name now.
	Renamed Status = "renamed"
)

// AtHead reports whether the consumer has come through the log.
func (s State) AtHead() bool { return s.LagEvents == 0 }

// States returns the states of all consumers of db. It costs four queries,
// however many consumers there are, and up to three more while one of them is
// behind on a log that is [store.Blockable]. It locks nothing.
func States[Tx any](ctx context.Context, db Database[Tx]) ([]State, error) { return states(ctx, db) }

// State returns the state of the follower's consumer. It returns
// [store.ErrNoConsumer] before the first Run of any of its followers.
func (f *Follower[Tx]) State(ctx context.Context) (State, error) {
	all, err := states(ctx, f.db, f.id)
	if err != nil {
		return State{}, err
	}
	if len(all) == 0 {
		return State{}, fmt.Errorf("consumer %s: %w", f.id.Name, store.ErrNoConsumer)
	}
	return all[0], nil
}

func states[Tx any](ctx context.Context, db Database[Tx], ids ...store.ConsumerID) ([]State, error) {
	// The head is read first, so that no consumer seems to be before it.
	head, err := db.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the states of consumers: %w", err)
	}
	consumers, now, err := db.ListConsumers(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("read the states of consumers: %w", err)
	}
	parked, err := db.CountParked(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("read the states of consumers: %w", err)
	}
	all := make([]State, len(consumers))
	var behind []int64 // positions
	for i, c := range consumers {
		all[i] = State{Consumer: c, Head: head, Parked: parked[c.ConsumerID], LagEvents: max(0, head.Position-slowest(c, head))}
		all[i].Status = statusOf(&all[i], now)
		if all[i].LagEvents > 0 {
			behind = append(behind, slowest(c, head))
		}
	}
	if len(behind) == 0 {
		return all, nil
	}
	times, err := db.TimesAfter(ctx, behind)
	if err != nil {
		return nil, fmt.Errorf("read the states of consumers: %w", err)
	}
	for i := range all {
		if all[i].LagEvents > 0 {
			if !times[0].IsZero() {
				all[i].Lag = max(0, now.Sub(times[0]))
			}
			times = times[1:]
		}
	}
	// Whoever is held up has come to the same place, and nobody has come further.
	furthest := slices.Max(behind)
	block, err := blockAfter(ctx, db, furthest)
	if err != nil {
		return nil, fmt.Errorf("read the states of consumers: %w", err)
	}
	for i := range all {
		if all[i].LagEvents > 0 && slowest(all[i].Consumer, head) == furthest {
			all[i].HeldUp = block
		}
	}
	return all, nil
}

// slowest returns the position of the segment that is furthest behind.
func slowest(c store.Consumer, head store.Head) int64 {
	slowest := head.Position
	for _, s := range c.Segments {
		slowest = min(slowest, s.Position)
	}
	return slowest
}

func statusOf(s *State, now time.Time) Status {
	if s.RenamedTo != "" {
		return Renamed
	}
	status := Running
	for _, segment := range s.Segments {
		switch {
		case segment.Forked != "":
			return ForkedLog
		case segment.Owner == "" || segment.LeaseUntil.Before(now):
			status = Stopped
		}
	}
	switch {
	case s.Paused:
		return Paused
	case s.Rebuild != 0:
		return Building
	case status == Running && s.Parked[store.Unknown].Streams > 0:
		return Behind
	}
	return status
}
