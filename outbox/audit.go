package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

// remember notes at which places confirmed messages went, and which was the last.
func (r *Relay) remember(confirmed []store.Outgoing) {
	if r.auditor == nil {
		return
	}
	for i := range confirmed {
		m := &confirmed[i]
		place := r.auditor.Place(m.Stream.Category, m.Stream.ID)
		p := r.places[place]
		if p == nil {
			p = &store.Published{Place: place, Topic: m.Stream.Category}
			r.places[place] = p
		}
		if m.Position < p.Position && (p.Floor == 0 || m.Position < p.Floor) {
			p.Floor = m.Position
		}
		p.Position, p.EventID, p.Time = m.Position, m.ID, time.Now()
	}
}

// last returns what is known of the places of confirmed messages.
func (r *Relay) last(confirmed []store.Outgoing) []store.Published {
	if r.auditor == nil {
		return nil
	}
	places := make(map[string]bool)
	var last []store.Published
	for i := range confirmed {
		place := r.auditor.Place(confirmed[i].Stream.Category, confirmed[i].Stream.ID)
		if !places[place] {
			places[place] = true
			last = append(last, *r.places[place])
		}
	}
	return last
}

// audit compares what the broker has last with what was published last, at each
// place, and publishes again what the broker has lost.
func (r *Relay) audit(ctx context.Context) error {
	if r.auditor == nil {
		return nil
	}
	session := r.auditor.Session() // before, so that a change meanwhile is seen
	topics := slices.Sorted(maps.Keys(r.claimed))
	for _, p := range r.places {
		if !slices.Contains(topics, p.Topic) {
			topics = append(topics, p.Topic)
		}
	}
	clear(r.claimed)
	for _, topic := range topics {
		if err := r.claim(ctx, topic); err != nil {
			return err
		}
		if err := r.auditTopic(ctx, topic); err != nil {
			return fmt.Errorf("compare topic %s at the broker with the store: %w", topic, err)
		}
	}
	r.session = session
	r.note(func(s *State) { s.Audit.Time = time.Now() })
	return nil
}

func (r *Relay) auditTopic(ctx context.Context, topic string) error {
	tail, err := r.auditor.Last(ctx, topic)
	if err != nil {
		return err
	}
	lost := repair{Relay: r, maxAge: tail.MaxAge, from: make(map[string]int64)}
	for place, p := range r.places {
		if p.Topic != topic {
			continue
		}
		m, ok := tail.Messages[place]
		after, behind, err := r.compare(ctx, p, m, ok, tail.MaxAge)
		if err != nil {
			return err
		}
		if behind {
			lost.from[place] = after
		}
	}
	for place, m := range tail.Messages {
		if r.places[place] == nil {
			if _, err := r.stored(ctx, place, m); err != nil {
				return err
			}
		}
	}
	return lost.run(ctx)
}

// compare reports whether the broker is behind at a place, and after which
// position.
func (r *Relay) compare(ctx context.Context, p *store.Published, m broker.Message, ok bool, maxAge time.Duration) (after int64, behind bool, err error) {
	if !ok {
		return 0, !dropped(p.Time, maxAge), nil
	}
	position, err := r.stored(ctx, p.Place, m)
	switch {
	case err != nil:
		return 0, false, err
	case position == 0:
		return 0, false, nil // not this store's, so that it says nothing
	case position == p.Position:
		p.Floor = 0
		return 0, false, nil
	}
	// The event is this store's. It is not the one that was confirmed last.
	if p.Floor > 0 {
		return min(position, p.Floor-1), true, nil
	}
	// One that is later was published and not marked.
	return position, position < p.Position, nil
}

// dropped reports whether the broker's own retention can have taken away what
// was published at a time. Near the limit it can, since clocks differ.
func dropped(at time.Time, maxAge time.Duration) bool {
	return maxAge > 0 && time.Since(at) >= maxAge-max(maxAge/10, min(time.Minute, maxAge/2))
}

// stored returns the position of the event in a message, if it is in the store. 0
// means that it is not; that is logged, and can be seen in the state.
func (r *Relay) stored(ctx context.Context, place string, m broker.Message) (int64, error) {
	e, err := cloudevents.Decode(m)
	if err != nil || e.Position < 1 || e.History != "" && e.History != r.history {
		r.noteForeign(place, m.ID, e.History)
		return 0, nil
	}
	page, err := r.log.ReadAll(ctx, e.Position-1, 1)
	if err != nil {
		return 0, err
	}
	if len(page) == 1 && page[0].Position == e.Position && page[0].ID == e.ID && page[0].Stream == e.Stream && page[0].Version == e.Version {
		return e.Position, nil
	}
	r.noteAhead(place, e)
	return 0, nil
}

func (r *Relay) noteForeign(place, id, history string) {
	known := false
	r.note(func(s *State) {
		if known = slices.Contains(s.Audit.Foreign, place); !known {
			s.Audit.Foreign = append(s.Audit.Foreign, place)
		}
	})
	if !known {
		r.cfg.Logger.Error("the last message at a place of the broker is not of this store: find out who else publishes there, and take that right away",
			slog.String("place", place), slog.String("message", id), slog.String("history", history))
	}
}

func (r *Relay) noteAhead(place string, e cloudevents.Event) {
	known := false
	r.note(func(s *State) {
		if known = slices.Contains(s.Audit.Ahead, place); !known {
			s.Audit.Ahead = append(s.Audit.Ahead, place)
		}
	})
	if !known {
		r.cfg.Logger.Error("the broker has an event that the store does not have: an older backup of the store was restored, or somebody forged it; rebuild the read models of receivers",
			slog.String("place", place), slog.String("event", e.ID), slog.String("category", e.Stream.Category), slog.String("id", e.Stream.ID),
			slog.Int64("version", e.Version), slog.Int64("position", e.Position))
	}
}
