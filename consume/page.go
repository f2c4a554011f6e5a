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
	items    []item[Tx]      // of the segment's streams and the consumer's categories
	last     store.Progress  // the end of the stretch
	whole    bool            // places is known
	places   []store.Place   // of all messages of the stretch
	end      bool            // the log had no more
	forked   string          // why the log is not the one that the segment has followed
	appended <-chan struct{} // closed when this process has appended since
	hinted   <-chan struct{} // closed when the broker has told of something since
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
//
// It asks for the messages of the consumer's categories alone, unless those were
// the most of the page before: it costs the database less to return all. While
// segments are to meet at a place, which can be that of any message, it asks for
// all too.
func (w *worker[Tx]) readPage(ctx context.Context, after store.Progress) page[Tx] {
	// Taken before the look, so that no append falls between look and wait.
	p := page[Tx]{last: after, appended: watch(w.Follower.db), hinted: w.hintOf(), whole: w.meetAt.Load() != 0 || w.dense.Load()}
	r := store.Range{After: after.Position, Limit: w.cfg.BatchSize}
	if after.EventID != "" {
		r.After, r.Limit = r.After-1, r.Limit+1
	}
	if !p.whole {
		r.Categories = w.categories()
	}
	stretch, err := w.db.ReadStretch(ctx, r)
	if err != nil {
		p.err = fmt.Errorf("read the log after position %d: %w", after.Position, err)
		return p
	}
	p.end = stretch.End
	if after.EventID != "" {
		if p.forked = forkedAt(after, stretch.First); p.forked != "" {
			return p
		}
	}
	own := int64(0)
	for i := range stretch.Messages {
		m := &stretch.Messages[i]
		route := w.routes[m.Stream.Category]
		if route != nil {
			own++
		}
		if m.Position <= after.Position {
			continue // the proof
		}
		if p.whole {
			p.places = append(p.places, store.PlaceOf(m))
		}
		if route != nil && segmentOf(hash(m.Stream), w.segments) == w.claim.Segment {
			if it, known := w.decode(m, route); known {
				p.items = append(p.items, it)
			} else {
				w.passBy(m)
			}
		}
	}
	w.dense.Store(2*own > stretch.Last.Position-stretch.First.Position+1)
	if stretch.Last.Position > after.Position {
		p.last = progressAt(stretch.Last)
	}
	return p
}

func progressAt(place store.Place) store.Progress {
	return store.Progress{Position: place.Position, EventID: place.EventID}
}

// forkedAt says what is wrong with a log that does not have the event of a place
// first.
func forkedAt(place store.Progress, first store.Place) string {
	switch {
	case first.Position == 0:
		return fmt.Sprintf("the consumer has come to position %d, and the log ends before it", place.Position)
	case first.Position != place.Position:
		return fmt.Sprintf("the log has no event at position %d, to which the consumer has come", place.Position)
	case first.EventID != place.EventID:
		return fmt.Sprintf("the log has event %s at position %d, and the consumer has handled event %s there", first.EventID, place.Position, place.EventID)
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
// already, or beyond, gets an empty page. A page that was read before the segments
// were to meet, and does not know the places in between, is not cut: the segment
// passes the position, and the segments meet at a later one.
func (p *page[Tx]) upTo(position int64, at store.Progress) {
	if at.Position >= position {
		p.items, p.last, p.end = nil, at, true
		return
	}
	if p.last.Position == position {
		p.end = true
	}
	for _, place := range p.places {
		if place.Position != position {
			continue
		}
		p.last, p.end = progressAt(place), true
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
