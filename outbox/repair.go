package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// repair publishes again what the broker has lost of a topic. The new messages
// have IDs of their own, which no duplicate window swallows; readers see the
// event's own.
//
// It reads the log and publishes at each place in the order of positions. The
// store keeps how far it came and what it has published last, as it does for the
// messages of the outbox. So the audit finds out whether a repair that was
// interrupted can go on from there.
type repair struct {
	*Relay
	maxAge   time.Duration    // what is older the broker would drop
	from     map[string]int64 // the position after which a place lacks messages
	previous map[store.Stream]string
	blocked  map[store.Stream]bool // streams of which a message is refused now
}

// maxPrevious is for how many streams a repair remembers the last event.
const maxPrevious = 10_000

var errStandby = errors.New("another relay has the lease")

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
	r.previous, r.blocked = make(map[store.Stream]string), make(map[store.Stream]bool)
	again := rand.Text()
	for after < to {
		held, err := r.lease.held(ctx)
		if err != nil {
			return err
		}
		if !held {
			return errStandby // the relay that has it compares for itself
		}
		page, err := r.log.ReadAll(ctx, after, r.pageSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		lost, err := r.pick(ctx, page)
		if err != nil {
			return err
		}
		n, left, err := r.publishAgain(ctx, lost, again)
		count += int64(n)
		r.note(func(s *State) { s.Audit.Behind += int64(n); s.Published += int64(n) })
		if errors.Is(err, errChanged) {
			return err // nobody knows what is there
		}
		after = page[len(page)-1].Position
		if err != nil {
			return errors.Join(err, r.progress(ctx, left[0].Position-1))
		}
		if err := r.progress(ctx, after); err != nil {
			return err
		}
	}
	for place := range r.from {
		r.setFloor(place, 0)
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	r.cfg.Logger.Warn("what the broker had lost is published again", slog.Int64("messages", count))
	return nil
}

// progress notes that the places lack nothing up to a position.
func (r *repair) progress(ctx context.Context, upTo int64) error {
	for place, from := range r.from {
		r.setFloor(place, max(from, upTo)+1)
	}
	return r.save(ctx)
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
// its stream: it is in the outbox, or the broker's limits have become smaller. With
// an error it returns what is left to publish.
func (r *repair) publishAgain(ctx context.Context, lost []store.Outgoing, again string) (published int, left []store.Outgoing, err error) {
	lost = without(lost, r.blocked)
	for len(lost) > 0 {
		places := r.placesOf(lost)
		part := lost[:untilFirst(places, len(lost))]
		n, err := r.publisher.Publish(ctx, r.encode(part, again))
		if r.changed() {
			return published, lost, errors.Join(err, errChanged)
		}
		published += n
		r.remember(part[:n], places)
		if refusal := refusalOf(err, n, len(part)); refusal != nil {
			m := lost[refusal.Index]
			r.cfg.Logger.Error("the broker refuses a message that it has lost: raise its limits, or readers wait for it",
				slog.String("category", m.Stream.Category), slog.String("id", m.Stream.ID), slog.Int64("version", m.Version), slog.Any("error", refusal.Err))
			r.blocked[m.Stream] = true
			lost = append(lost[n:refusal.Index:refusal.Index], without(lost[refusal.Index:], r.blocked)...)
			continue
		}
		lost = lost[n:]
		if err != nil && len(lost) > 0 {
			return published, lost, fmt.Errorf("publish again: %w", err)
		}
	}
	return published, nil, nil
}
