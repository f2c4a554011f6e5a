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

var errChanged = errors.New("the broker has lost its connection or its end meanwhile: it is compared with the store first")

// changed reports whether the broker may have lost messages since the last audit.
func (r *Relay) changed() bool { return r.auditor != nil && r.auditor.Session() != r.session }

// audit compares what the broker has with what was published, at each place, and
// publishes again what the broker has lost. It starts from what the store keeps:
// what was confirmed and is not marked is still in the outbox.
func (r *Relay) audit(ctx context.Context) error {
	if r.auditor == nil {
		return nil
	}
	r.session = r.auditor.Session() // before, so that a change meanwhile is seen
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.findWaiting(ctx); err != nil {
		return err
	}
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
		if err != nil && !errors.Is(err, errStandby) {
			err = fmt.Errorf("compare topic %s at the broker with the store: %w", topic, err)
		}
	}()
	tail, err := r.auditor.Last(ctx, topic)
	if err != nil {
		return err
	}
	for place, m := range tail.Messages {
		if err := r.compareLast(ctx, place, m); err != nil {
			return err
		}
	}
	lost := repair{Relay: r, maxAge: tail.MaxAge, from: make(map[string]int64)}
	for place, p := range r.places {
		if p.Topic != topic {
			continue
		}
		if err := r.compare(ctx, p, tail); err != nil {
			return err
		}
		if p.Floor > 0 {
			lost.from[place] = p.Floor - 1
		}
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	return lost.run(ctx)
}

// compare finds out whether the broker still has what was published at a place. If
// it has, the last message becomes a checkpoint. If not, Floor says from where on
// to publish again.
func (r *Relay) compare(ctx context.Context, p *store.Published, tail broker.Tail) error {
	last := store.Checkpoint{Position: p.Position, MessageID: p.MessageID, Token: p.Token, Time: p.Time}
	found, err := r.has(ctx, p.Place, last, tail)
	if err != nil {
		return err
	}
	there := len(p.Checkpoints) // up to the newest that the broker has
	for ; there > 0; there-- {
		c, ok := p.Checkpoints[there-1], found
		if !same(c, last) {
			if ok, err = r.has(ctx, p.Place, c, tail); err != nil {
				return err
			}
		}
		if ok {
			break
		}
	}
	if found && there == len(p.Checkpoints) {
		r.checkpoint(p, last)
		return nil
	}
	var from store.Checkpoint
	if there > 0 {
		from = p.Checkpoints[there-1]
	}
	p.MessageID, p.Token, p.Time, p.Floor = from.MessageID, from.Token, from.Time, from.Position+1
	p.Checkpoints = append([]store.Checkpoint{}, p.Checkpoints[:there]...)
	r.touched[p.Place] = true
	return nil
}

// has reports whether the broker has a message, or need not have it any more.
func (r *Relay) has(ctx context.Context, place string, c store.Checkpoint, tail broker.Tail) (bool, error) {
	if c.Token == "" || tail.Drops || dropped(c.Time, tail.MaxAge) {
		return true, nil
	}
	m, ok, err := r.auditor.Find(ctx, place, c.Token)
	return ok && m.ID == c.MessageID, err
}

// dropped reports whether the broker's own retention can have taken away what
// was published at a time. Near the limit it can, since clocks differ.
func dropped(at time.Time, maxAge time.Duration) bool {
	return maxAge > 0 && time.Since(at) >= maxAge-max(maxAge/10, min(time.Minute, maxAge/2))
}

// compareLast looks at the last message of a place, and notes one that is not in
// the store.
func (r *Relay) compareLast(ctx context.Context, place string, m broker.Message) error {
	e, err := cloudevents.Decode(m)
	if err != nil || e.Position < 1 || e.History != "" && e.History != r.history {
		r.noteForeign(place, m.ID, e.History)
		return nil
	}
	page, err := r.log.ReadAll(ctx, e.Position-1, 1)
	if err != nil {
		return err
	}
	if len(page) != 1 || page[0].Position != e.Position || page[0].ID != e.ID || page[0].Stream != e.Stream || page[0].Version != e.Version {
		r.noteAhead(place, e)
	}
	return nil
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
