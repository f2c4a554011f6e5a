package outbox

import (
	"context"
	"math/bits"
	"time"

	"github.com/eventus-go/eventus/store"
)

// load reads what the store keeps of the broker's places.
func (r *Relay) load(ctx context.Context) error {
	published, err := r.outbox.Published(ctx)
	if err != nil {
		return err
	}
	clear(r.places)
	clear(r.touched)
	for _, p := range published {
		r.places[p.Place] = &p
	}
	return nil
}

// place returns what was published where m goes.
func (r *Relay) place(m *store.Message) *store.Published {
	place := r.auditor.Place(m.Stream.Category, m.Stream.ID)
	p := r.places[place]
	if p == nil {
		p = &store.Published{Place: place, Topic: m.Stream.Category}
		r.places[place] = p
	}
	return p
}

// placesOf returns the places of a page, in its order, or nil without an auditor.
func (r *Relay) placesOf(page []store.Outgoing) []*store.Published {
	if r.auditor == nil {
		return nil
	}
	places := make([]*store.Published, len(page))
	for i := range page {
		places[i] = r.place(&page[i].Message)
	}
	return places
}

// untilFirst returns how many of n messages can be published at once: up to the
// first of a place without checkpoints. That message becomes one before others
// follow it, so that they cannot be lost without it.
func untilFirst(places []*store.Published, n int) int {
	for i, p := range places {
		if len(p.Checkpoints) == 0 {
			return i + 1
		}
	}
	return n
}

// remember notes where confirmed messages went.
func (r *Relay) remember(confirmed []store.Outgoing, places []*store.Published) {
	if r.auditor == nil {
		return
	}
	concerned := make(map[*store.Published]struct{})
	for i := range confirmed {
		p := places[i]
		p.Position = max(p.Position, confirmed[i].Position)
		concerned[p] = struct{}{}
	}
	for p := range concerned {
		p.MessageID, p.Token = r.auditor.Newest(p.Place)
		p.Time = time.Time{} // now, by the store's clock
		first := len(p.Checkpoints) == 0
		if first {
			p.Checkpoints = []store.Checkpoint{{MessageID: p.MessageID, Token: p.Token}}
		}
		r.touched[p.Place] = r.touched[p.Place] || first
	}
}

func (r *Relay) setFloor(place string, floor int64) {
	r.places[place].Floor = floor
	if _, ok := r.touched[place]; !ok {
		r.touched[place] = false // its checkpoints are as they were
	}
}

// last returns what is new of the places since it was called before.
func (r *Relay) last() []store.Published {
	last := make([]store.Published, 0, len(r.touched))
	for place, whole := range r.touched {
		p := *r.places[place]
		if !whole {
			p.Checkpoints = nil
		}
		last = append(last, p)
	}
	clear(r.touched)
	return last
}

// save has the store keep what is new of the places.
func (r *Relay) save(ctx context.Context) error {
	last := r.last()
	if len(last) == 0 {
		return nil
	}
	return r.outbox.MarkPublished(ctx, nil, last)
}

// checkpoint makes the last message of a place a checkpoint, if it is not the
// newest one.
func (r *Relay) checkpoint(p *store.Published, last store.Checkpoint) {
	n := len(p.Checkpoints)
	if last.Token == "" || n > 0 && same(last, p.Checkpoints[n-1]) {
		return
	}
	// What waits in the outbox will lie behind this message, and so will what is to
	// be published again.
	if first, ok := r.waitingAt[p.Place]; ok {
		last.Position = min(last.Position, first-1)
	}
	if p.Floor > 0 {
		last.Position = min(last.Position, p.Floor-1)
	}
	p.Checkpoints = thin(append(p.Checkpoints[:n:n], last))
	r.touched[p.Place] = true
}

func same(a, b store.Checkpoint) bool { return a.Token == b.Token && a.MessageID == b.MessageID }

// thin keeps the newest checkpoint, and of the others one for each time that is
// twice as long as the one before: up to 1 min, 2 min, 4 min and so on before the
// newest.
func thin(all []store.Checkpoint) []store.Checkpoint {
	newest := all[len(all)-1]
	kept, before := make([]store.Checkpoint, 0, len(all)), -1
	for _, c := range all[:len(all)-1] {
		if age := bits.Len64(uint64(max(0, newest.Time.Sub(c.Time)) / time.Minute)); age != before {
			kept, before = append(kept, c), age
		}
	}
	return append(kept, newest)
}
