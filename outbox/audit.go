package outbox

import (
	"context"
	"errors"
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
	now := time.Now()
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
		p.Position, p.EventID, p.Time = max(p.Position, m.Position), m.ID, now
		r.touched[place] = p
	}
}

// last returns what is new of the places since it was called before.
func (r *Relay) last() []store.Published {
	last := make([]store.Published, 0, len(r.touched))
	for place, p := range r.touched {
		p.Token = r.auditor.Token(place)
		last = append(last, *p)
	}
	clear(r.touched)
	return last
}

var errChanged = errors.New("the broker has lost its connection or its end meanwhile: it is compared with the store first")

// changed reports whether the broker may have lost messages since the last audit.
func (r *Relay) changed() bool { return r.auditor != nil && r.auditor.Session() != r.session }

// audit compares what the broker has last with what was published last, at each
// place, and publishes again what the broker has lost.
func (r *Relay) audit(ctx context.Context) error {
	if r.auditor == nil {
		return nil
	}
	r.session = r.auditor.Session() // before, so that a change meanwhile is seen
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
			return err
		}
		r.known[topic] = true
	}
	r.note(func(s *State) { s.Audit.Time = time.Now() })
	return nil
}

func (r *Relay) auditTopic(ctx context.Context, topic string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("compare topic %s at the broker with the store: %w", topic, err)
		}
	}()
	tail, err := r.auditor.Last(ctx, topic)
	if err != nil {
		return err
	}
	last := make(map[string]int64) // positions of what the broker has last, if they are this store's
	for place, m := range tail.Messages {
		if last[place], err = r.stored(ctx, place, m); err != nil {
			return err
		}
	}
	lost := repair{Relay: r, maxAge: tail.MaxAge, from: make(map[string]int64)}
	for place, p := range r.places {
		if p.Topic != topic {
			continue
		}
		behind, err := r.behind(ctx, *p, tail.MaxAge)
		if before, ok := r.audited[place]; err == nil && !behind && ok && before.EventID != p.EventID {
			// The last one is there. Was all taken away since the last audit, and
			// more published then?
			if behind, err = r.behind(ctx, before, tail.MaxAge); behind {
				last[place] = 0
			}
		}
		if err != nil {
			return err
		}
		if behind {
			if again, ok := r.again[place]; ok && p.Floor > 0 {
				// Was what an interrupted repair has published taken away too?
				gone, err := r.behind(ctx, again, tail.MaxAge)
				if err != nil {
					return err
				}
				if gone {
					p.Floor, last[place] = 0, 0
					delete(r.again, place)
				}
			}
			lost.from[place] = gap(p, last[place])
		} else {
			p.Floor = 0
		}
	}
	if err := lost.run(ctx); err != nil {
		return err
	}
	for place, p := range r.places {
		if p.Topic == topic {
			r.audited[place] = *p
		}
	}
	return nil
}

// behind reports whether the broker has lost the message that was confirmed
// last, other than by its own retention.
func (r *Relay) behind(ctx context.Context, p store.Published, maxAge time.Duration) (bool, error) {
	if dropped(p.Time, maxAge) {
		return false, nil
	}
	m, ok, err := r.auditor.Find(ctx, p.Place, p.Token)
	if err != nil || !ok {
		return err == nil, err
	}
	e, err := cloudevents.Decode(m)
	return err != nil || e.ID != p.EventID, nil
}

// gap returns the position after which a place lacks messages, where the broker
// has the event at position last and has lost the one that was confirmed last.
func gap(p *store.Published, last int64) int64 {
	if p.Floor > 0 {
		return min(last, p.Floor-1)
	}
	if last >= p.Position {
		return 0 // it was published after the loss, and does not say how much is gone
	}
	return last
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
