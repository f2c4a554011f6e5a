package combine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

// pending is an append on its way. Version and err are its result once done is
// closed.
type pending struct {
	expected store.Expected
	events   []store.Event
	bytes    int
	alone    bool      // it shares a group with no other
	since    time.Time // when it first had to wait for somebody else
	taken    bool      // it is being written
	left     bool      // its caller has gone

	version int64
	err     error
	done    chan struct{}
}

func (p *pending) settle(version int64, err error) {
	p.version, p.err = version, err
	close(p.done)
}

// result returns what the caller gets. An error that the end of ctx has caused says
// how ctx ended.
func (p *pending) result(ctx context.Context) (int64, error) {
	switch {
	case p.err == errLeft:
		return 0, ctx.Err()
	case errors.Is(p.err, context.Canceled) && ctx.Err() != nil && !errors.Is(p.err, ctx.Err()):
		return 0, fmt.Errorf("%w: %w", ctx.Err(), p.err)
	}
	return p.version, p.err
}

// errLeft is the result of an append whose caller has gone while it was tried,
// and of which nothing is written.
var errLeft = errors.New("the caller has gone")

// sizeOf returns about as many bytes as events take on the wire.
func sizeOf(events []store.Event) int {
	n := 0
	for i := range events {
		e := &events[i]
		n += len(e.Data) + len(e.ID) + len(e.Type) + len(e.ContentType) + len(e.Metadata.CorrelationID) + len(e.Metadata.CausationID) + len(e.Metadata.Actor)
		for k, v := range e.Metadata.Fields {
			n += len(k) + len(v)
		}
	}
	return n
}

// lane holds the appends to one stream, in the order in which they came.
type lane struct {
	stream  store.Stream
	waiting []*pending
	events  int  // of those that wait
	bytes   int  // of these events
	ready   bool // in the queue's list
	held    bool // being written, or resting after somebody else held the stream
	pause   time.Duration
}

func (l *lane) push(p *pending) {
	l.waiting = append(l.waiting, p)
	l.events += len(p.events)
	l.bytes += p.bytes
}

// pop takes the first append out, without those whose callers have gone. It
// returns nil when there is none, or when it would not be the next for a group.
func (l *lane) pop(fits func(p *pending) bool) *pending {
	for len(l.waiting) > 0 {
		p := l.waiting[0]
		if !p.left && !fits(p) {
			return nil
		}
		l.waiting = l.waiting[1:]
		l.events -= len(p.events)
		l.bytes -= p.bytes
		if !p.left {
			return p
		}
	}
	return nil
}

// unpop puts appends back to the front.
func (l *lane) unpop(appends []*pending) {
	rest := l.waiting
	l.waiting = make([]*pending, 0, len(appends)+len(rest))
	for _, p := range appends {
		if p.taken = false; p.left {
			p.settle(0, errLeft)
			continue
		}
		l.push(p)
	}
	l.waiting = append(l.waiting, rest...)
}

// separate puts the appends of a group back, so that each finds out by itself what
// becomes of it.
func (l *lane) separate(g *Group) {
	for _, p := range g.appends {
		p.alone = true
	}
	l.unpop(g.appends)
}

// lose settles the appends that have lost against those of a group just written,
// without sending them. One with the id of the event that has taken its version
// may be a repetition of the same append; the store finds out.
func (l *lane) lose(g *Group, version int64) {
	base := version - int64(len(g.Events))
	kept := l.waiting[:0]
	for _, p := range l.waiting {
		at := p.expected.Version
		// The events of a caller that has gone are not looked at.
		if p.left || at < base || at >= version || g.Events[at-base].ID == p.events[0].ID {
			kept = append(kept, p)
			continue
		}
		l.events -= len(p.events)
		l.bytes -= p.bytes
		p.settle(0, &store.ConflictError{Stream: l.stream, Expected: p.expected, Actual: version})
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
}
