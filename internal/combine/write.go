package combine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

// makeReady gives a lane a turn. It is called with mu held.
func (q *Queue) makeReady(l *lane) {
	l.held = false
	if len(l.waiting) == 0 {
		delete(q.lanes, l.stream)
		return
	}
	l.ready = true
	q.ready = append(q.ready, l)
	q.events += l.events
	q.bytes += l.bytes
}

// take takes out what the next write is of, and reports whether that is own alone.
// Events of a write that is not are copied, while their callers are still there: a
// caller that gives up waiting may change its events under the write.
func (q *Queue) take(w *write, own *pending) (groups []*Group, alone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	events, bytes := 0, 0
	for len(q.ready) > 0 && len(groups) < q.cfg.MaxStreams {
		l := q.ready[0]
		if len(groups) > 0 && (events+len(l.waiting[0].events) > q.cfg.MaxEvents || bytes+l.waiting[0].bytes > q.cfg.MaxBytes) {
			break
		}
		q.ready = q.ready[1:]
		q.events -= l.events
		q.bytes -= l.bytes
		l.ready = false
		waited := l.bytes
		g := l.group(q.cfg.MaxEvents-events, q.cfg.MaxBytes-bytes)
		if g == nil {
			q.makeReady(l)
			continue
		}
		l.held = true
		groups = append(groups, g)
		events += len(g.Events)
		bytes += waited - l.bytes
	}
	w.streams = len(groups)
	if len(groups) == 1 && len(groups[0].appends) == 1 && groups[0].appends[0] == own {
		return groups, true
	}
	for _, g := range groups {
		g.copy()
	}
	return groups, false
}

// write writes groups and settles their appends. What the server refuses is cut
// in two until the group to blame is alone.
func (q *Queue) write(ctx context.Context, w *write, groups []*Group) {
	if len(groups) == 0 {
		return
	}
	err := errors.New("the write was abandoned by a panic")
	defer func() { q.settle(groups, err) }()
	err = q.attempt(ctx, w, groups)
	if n := len(groups); n > 1 && q.divides(err) {
		first, second := groups[:n/2], groups[n/2:]
		groups = nil // the parts settle their own
		q.write(ctx, w, first)
		q.write(ctx, w, second)
	}
}

func (q *Queue) divides(err error) bool {
	return err != nil && q.cfg.Refused(err) && q.cfg.Divide(err)
}

// attempt calls Write. Another write may start beside one that takes too long.
func (q *Queue) attempt(longer context.Context, w *write, groups []*Group) error {
	ctx, cancel := context.WithTimeout(longer, q.cfg.Timeout)
	defer cancel()
	q.watch(w)
	defer q.unwatch(w)
	err := q.cfg.Write(ctx, groups)
	if err != nil && !q.cfg.Refused(err) && ctx.Err() != nil && longer.Err() == nil {
		// The caller must not take it for the end of its own context.
		return fmt.Errorf("the database has not answered for %v: %v", q.cfg.Timeout, err)
	}
	return err
}

// settle tells appends what came of them.
func (q *Queue) settle(groups []*Group, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, g := range groups {
		q.settleGroup(g, err)
	}
}

func (q *Queue) settleGroup(g *Group, err error) {
	l := g.lane
	switch {
	case q.divides(err) && len(g.appends) > 1:
		l.separate(g)
	case err != nil:
		if !q.cfg.Refused(err) {
			err = fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, err)
		}
		for _, p := range g.appends {
			p.settle(0, err)
		}
	case g.busy:
		q.rest(l, g.appends)
		return
	case g.Written():
		version := g.found
		for _, p := range g.appends {
			version += int64(len(p.events))
			p.settle(version, nil)
		}
		l.lose(g, version)
		l.pause = 0
	case len(g.appends) == 1:
		g.appends[0].settle(0, g.conflict())
	default: // the first has lost, or was written before
		l.separate(g)
	}
	q.makeReady(l)
}

// rest puts appends back and gives their lane a turn after a pause.
func (q *Queue) rest(l *lane, appends []*pending) {
	now := time.Now()
	var kept []*pending
	for _, p := range appends {
		if p.since.IsZero() {
			p.since = now
		}
		if now.Sub(p.since) < q.cfg.MaxWait {
			kept = append(kept, p)
			continue
		}
		p.settle(0, &store.BusyError{Stream: l.stream, Waited: now.Sub(p.since)})
	}
	l.unpop(kept)
	l.pause = min(max(2*l.pause, firstPause), longestPause)
	time.AfterFunc(l.pause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.makeReady(l)
		q.startNext()
	})
}
