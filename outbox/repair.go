package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// repair publishes again what the broker has lost of a topic. The new messages
// have IDs of their own, which no duplicate window swallows; readers see the
// event's own.
//
// It reads the log and publishes at each place in the order of positions, and
// notes in the store how far it came. One that is interrupted goes on from there,
// or from the broker's last message if that is earlier.
type repair struct {
	*Relay
	maxAge   time.Duration    // what is older the broker would drop
	from     map[string]int64 // the position after which a place lacks messages
	previous map[store.Stream]string
	blocked  map[store.Stream]bool    // streams of which a message is refused now
	waiting  map[store.Stream]int64   // positions from which on messages are in the outbox
	last     map[string]store.Message // what was published again last, by place
}

// maxPrevious is for how many streams a repair remembers the last event.
const maxPrevious = 10_000

func (r *repair) run(ctx context.Context) error {
	if len(r.from) == 0 {
		return nil
	}
	var to, count int64
	var after int64 = -1
	for place, from := range r.from {
		if after < 0 || from < after {
			after = from
		}
		to = max(to, r.places[place].Position)
	}
	r.cfg.Logger.Error("the broker has lost messages: they are published again",
		slog.Int("places", len(r.from)), slog.Int64("after", after))
	r.previous, r.blocked, r.last = make(map[store.Stream]string), make(map[store.Stream]bool), make(map[string]store.Message)
	if err := r.findWaiting(ctx, to); err != nil {
		return err
	}
	if err := r.progress(ctx, 0); err != nil {
		return err
	}
	again := rand.Text()
	for after < to {
		held, err := r.lease.held(ctx)
		if err != nil || !held {
			return err // the relay that has it compares for itself
		}
		page, err := r.log.ReadAll(ctx, after, r.cfg.BatchSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Position
		lost, err := r.pick(ctx, page)
		if err != nil {
			return err
		}
		n, err := r.publishAgain(ctx, lost, again)
		count += int64(n)
		r.note(func(s *State) { s.Audit.Behind += int64(n); s.Published += int64(n) })
		if err != nil {
			return err
		}
		if err := r.progress(ctx, after); err != nil {
			return err
		}
	}
	return r.finish(ctx, count)
}

// progress notes that the places lack nothing up to a position, and that they do
// behind it.
func (r *repair) progress(ctx context.Context, upTo int64) error {
	var places []store.Published
	for place, from := range r.from {
		p := r.places[place]
		p.Token, p.Floor = "", max(from, upTo)+1
		places = append(places, *p)
	}
	return r.outbox.MarkPublished(ctx, nil, places)
}

// findWaiting looks for messages up to a position that are still in the outbox,
// because they are refused, or wait for one that is, or were not marked. They come
// from there, and nothing of their stream before them. Mostly there are none.
func (r *repair) findWaiting(ctx context.Context, to int64) error {
	r.waiting = make(map[store.Stream]int64)
	wait := func(m store.Message) {
		if first, ok := r.waiting[m.Stream]; !ok || m.Position < first {
			r.waiting[m.Stream] = m.Position
		}
	}
	for after := int64(0); after < to; {
		page, err := r.outbox.Refused(ctx, after, r.cfg.BatchSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			wait(m.Message)
		}
		after = page[len(page)-1].Position
	}
	for after := int64(0); after < to; {
		page, next, err := r.outbox.Unpublished(ctx, after, r.cfg.BatchSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			wait(m.Message)
		}
		after = next
	}
	return nil
}

// pick returns those of a page that a place lacks.
func (r *repair) pick(ctx context.Context, page []store.Message) ([]store.Outgoing, error) {
	var lost []store.Outgoing
	for _, m := range page {
		place := r.auditor.Place(m.Stream.Category, m.Stream.ID)
		from, behind := r.from[place]
		if !behind || m.Position <= from || m.Position > r.places[place].Position || r.maxAge > 0 && time.Since(m.Time) > r.maxAge {
			continue
		}
		if first, waits := r.waiting[m.Stream]; waits && m.Position >= first {
			continue
		}
		previous, err := r.before(ctx, m)
		if err != nil {
			return nil, err
		}
		lost = append(lost, store.Outgoing{Message: m, Previous: previous})
		if len(r.previous) >= maxPrevious {
			clear(r.previous)
		}
		r.previous[m.Stream] = m.ID
	}
	return lost, nil
}

// before returns the ID of the event before m in its stream.
func (r *repair) before(ctx context.Context, m store.Message) (string, error) {
	if m.Version == 1 {
		return "", nil
	}
	if id, ok := r.previous[m.Stream]; ok {
		return id, nil
	}
	page, err := r.log.Read(ctx, m.Stream, m.Version-2, 1)
	if err != nil {
		return "", err
	}
	if len(page) == 0 {
		return "", fmt.Errorf("stream %s has version %d and not the one before", m.Stream, m.Version)
	}
	return page[0].ID, nil
}

// publishAgain leaves out what the broker refuses now, with the later messages of
// its stream: it is in the outbox, or the broker's limits have become smaller.
func (r *repair) publishAgain(ctx context.Context, lost []store.Outgoing, again string) (published int, err error) {
	lost = without(lost, r.blocked)
	for len(lost) > 0 {
		n, err := r.publisher.Publish(ctx, r.encode(lost, again))
		if r.changed() {
			return published, firstError(err, errChanged)
		}
		published += n
		for _, m := range lost[:n] {
			place := r.auditor.Place(m.Stream.Category, m.Stream.ID)
			r.last[place] = m.Message
			r.again[place] = store.Published{Place: place, EventID: m.ID, Time: time.Now(), Token: r.auditor.Token(place)}
		}
		refusal := refusalOf(err, n, len(lost))
		if refusal == nil {
			if err != nil {
				return published, fmt.Errorf("publish again: %w", err)
			}
			return published, nil
		}
		m := lost[refusal.Index]
		r.cfg.Logger.Error("the broker refuses a message that it has lost: raise its limits, or readers wait for it",
			slog.String("category", m.Stream.Category), slog.String("id", m.Stream.ID), slog.Int64("version", m.Version), slog.Any("error", refusal.Err))
		r.blocked[m.Stream] = true
		lost = append(lost[n:refusal.Index:refusal.Index], without(lost[refusal.Index:], r.blocked)...)
	}
	return published, nil
}

// finish notes what the broker has last now.
func (r *repair) finish(ctx context.Context, count int64) error {
	var last []store.Published
	for place := range r.from {
		p := r.places[place]
		delete(r.again, place)
		if m, ok := r.last[place]; ok {
			p.EventID, p.Floor, p.Time = m.ID, 0, time.Now()
			p.Token = r.auditor.Token(place)
			last = append(last, *p)
		} else {
			// There was nothing that the broker would take. The next message that is
			// published there is something to compare again.
			delete(r.places, place)
		}
	}
	if err := r.outbox.MarkPublished(ctx, nil, last); err != nil {
		return err
	}
	r.cfg.Logger.Warn("what the broker had lost is published again", slog.Int64("messages", count))
	return nil
}
