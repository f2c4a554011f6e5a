package combine

import (
	"bytes"
	"maps"

	"github.com/eventus-go/eventus/store"
)

// Group is what a write appends to one stream.
type Group struct {
	Stream   store.Stream
	Expected store.Expected
	Events   []store.Event

	lane    *lane
	appends []*pending
	found   int64
	busy    bool
	forked  bool
}

// Found says that the stream stood at a version before the write. The events were
// written if that is the one expected. If it is not, and they were found to be in
// the stream from the expected version on, the version is the expected one.
func (g *Group) Found(version int64) { g.found, g.busy = version, false }

// Forked says that the stream has another event at the expected version than the
// expected one. Nothing was written.
func (g *Group) Forked() { g.found, g.busy, g.forked = g.Expected.Version, false, true }

// Busy says that somebody else is appending to the stream, and nothing was
// written to it.
func (g *Group) Busy() { g.busy = true }

// Result returns what a write of this group alone came to: the version of the last
// event, or a [*store.ConflictError].
func (g *Group) Result() (int64, error) {
	if !g.Written() {
		return 0, g.conflict()
	}
	return g.found + int64(len(g.Events)), nil
}

// Written reports whether the events are in the stream, as [Group.Found] was told.
func (g *Group) Written() bool {
	return !g.busy && !g.forked && (g.Expected == store.Any || g.Expected.Version == g.found)
}

func (g *Group) conflict() error {
	return &store.ConflictError{Stream: g.Stream, Expected: g.Expected, Actual: g.found, Forked: g.forked}
}

// group takes the next appends of a lane, as far as they can be checked and
// written as one, and within the limits. An append that is alone may exceed them.
func (l *lane) group(maxEvents, maxBytes int) *Group {
	g := &Group{Stream: l.stream, lane: l}
	size := 0
	for {
		p := l.pop(func(p *pending) bool {
			if len(g.appends) == 0 {
				return true
			}
			return !p.alone && !g.appends[0].alone && g.continues(p) &&
				len(g.Events)+len(p.events) <= maxEvents && size+p.bytes <= maxBytes
		})
		if p == nil {
			break
		}
		if len(g.appends) == 0 {
			g.Expected, g.Events = p.expected, p.events[:len(p.events):len(p.events)]
		} else {
			g.Events = append(g.Events, p.events...)
		}
		p.taken = true
		g.appends = append(g.appends, p)
		size += p.bytes
	}
	if len(g.appends) == 0 {
		return nil
	}
	return g
}

// copy makes the group's events its own.
func (g *Group) copy() {
	events := make([]store.Event, 0, len(g.Events))
	for _, e := range g.Events {
		e.Data = bytes.Clone(e.Data)
		e.Metadata.Fields = maps.Clone(e.Metadata.Fields)
		events = append(events, e)
	}
	g.Events = events
	for _, p := range g.appends {
		n := len(p.events)
		p.events, events = events[:n:n], events[n:]
	}
}

// continues reports whether an append expects what those before it make.
func (g *Group) continues(p *pending) bool {
	if p.expected == store.Any {
		return true
	}
	last := len(g.Events)
	return g.Expected != store.Any && p.expected.Version == g.Expected.Version+int64(last) &&
		(p.expected.EventID == "" || p.expected.EventID == g.Events[last-1].ID)
}
