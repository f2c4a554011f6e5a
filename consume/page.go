package consume

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/eventus-go/eventus/store"
)

// item is a message on its way to a handler.
type item[Tx any] struct {
	store.Message
	route  *Route[Tx]
	typed  any
	err    error // why it cannot be decoded
	passes bool  // without a handler: nothing of the program is for it
}

func (i *item[Tx]) progress() store.Progress {
	return store.Progress{Position: i.Position, EventID: i.ID}
}

// page is a stretch of the log, as one segment sees it.
type page[Tx any] struct {
	items    []item[Tx]       // of the segment's streams and the consumer's categories
	last     store.Progress   // the end of the stretch
	places   []store.Progress // of all its messages
	end      bool             // the log had no more
	forked   string           // why the log is not the one that the segment has followed
	appended <-chan struct{}  // closed when this process has appended since
	hinted   <-chan struct{}  // closed when the broker has told of something since
	err      error
}

// read begins to read the page after a place. Only one page is read ahead.
func (w *worker[Tx]) read(ctx context.Context, after store.Progress) <-chan page[Tx] {
	result := make(chan page[Tx], 1)
	go func() { result <- w.readPage(ctx, after) }()
	return result
}

// readPage reads from after on, that place included: its event proves that the
// log is still the same one, at no cost.
func (w *worker[Tx]) readPage(ctx context.Context, after store.Progress) page[Tx] {
	// Taken before the look, so that no append falls between look and wait.
	p := page[Tx]{last: after, appended: watch(w.Follower.db), hinted: w.hintOf()}
	from, limit := after.Position, w.cfg.BatchSize
	if after.EventID != "" {
		from, limit = from-1, limit+1
	}
	messages, err := w.db.ReadAll(ctx, from, limit)
	if err != nil {
		p.err = fmt.Errorf("read the log after position %d: %w", after.Position, err)
		return p
	}
	p.end = len(messages) < limit
	if after.EventID != "" {
		if p.forked = forkedAt(after, messages); p.forked != "" {
			return p
		}
		messages = messages[1:]
	}
	p.places = make([]store.Progress, len(messages))
	for i := range messages {
		m := &messages[i]
		p.places[i] = store.Progress{Position: m.Position, EventID: m.ID}
		if route := w.routes[m.Stream.Category]; route != nil && segmentOf(hash(m.Stream), w.segments) == w.claim.Segment {
			if it, known := w.decode(m, route); known {
				p.items = append(p.items, it)
			} else {
				w.passBy(m)
			}
		}
	}
	if len(messages) > 0 {
		p.last = p.places[len(messages)-1]
	}
	return p
}

// forkedAt says what is wrong with a log that does not have the event of a place
// first.
func forkedAt(place store.Progress, messages []store.Message) string {
	switch {
	case len(messages) == 0:
		return fmt.Sprintf("the consumer has come to position %d, and the log ends before it", place.Position)
	case messages[0].Position != place.Position:
		return fmt.Sprintf("the log has no event at position %d, to which the consumer has come", place.Position)
	case messages[0].ID != place.EventID:
		return fmt.Sprintf("the log has event %s at position %d, and the consumer has handled event %s there", messages[0].ID, place.Position, place.EventID)
	}
	return ""
}

// decode types a message. One that is not known to a table of foreign events
// passes by.
func (w *worker[Tx]) decode(m *store.Message, route *Route[Tx]) (it item[Tx], known bool) {
	typed, known, err := route.decode(*m)
	it = item[Tx]{Message: *m, route: route, typed: typed, err: err}
	it.Data = nil // it is in typed
	return it, known || err != nil
}

// upTo cuts the page after the event at a position. A segment that is there
// already, or beyond, gets an empty page.
func (p *page[Tx]) upTo(position int64, at store.Progress) {
	if at.Position >= position {
		p.items, p.last, p.end = nil, at, true
		return
	}
	for _, place := range p.places {
		if place.Position != position {
			continue
		}
		p.last, p.end = place, true
		n := len(p.items)
		for n > 0 && p.items[n-1].Position > position {
			n--
		}
		p.items = p.items[:n]
	}
}

// segmentOf returns the segment of the streams with a hash.
func segmentOf(hash uint32, segments int) int { return int(hash % uint32(segments)) }

// hash decides on the segment of a stream. It is stored with parked streams, so
// that it never changes: FNV-1a of category, a zero byte and id.
func hash(s store.Stream) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Category))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(s.ID))
	return h.Sum32()
}
