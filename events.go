package eventus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eventus-go/eventus/codec"
	"github.com/eventus-go/eventus/store"
)

// EventTable is the table of one category's events: wire names on one side, Go
// types on the other. [Define] makes one for an aggregate, [Foreign] one for
// the events of another service. It is safe for concurrent use.
type EventTable[E any] struct {
	category string
	codec    codec.Codec
	codecs   map[string]codec.Codec // by content type
	lines    []*line[E]             // in the order of declaration
	byName   map[string]*line[E]
	foreign  bool
}

func newEvents[E any](category string, c codec.Codec) *EventTable[E] {
	// The store judges the category, so that it cannot refuse it later.
	if err := (store.Stream{Category: category, ID: "id"}).Check(); err != nil {
		panic(fmt.Sprintf("eventus: define %q: %v", category, err))
	}
	events := &EventTable[E]{category: category, byName: make(map[string]*line[E])}
	return events.WithCodec(c)
}

// WithCodec returns a copy of the table that encodes with c. It decodes by the
// content type that is stored with each event: that of c, those of also, and
// that of the codec it had before.
func (t *EventTable[E]) WithCodec(c codec.Codec, also ...codec.Codec) *EventTable[E] {
	copied := *t
	copied.codecs = make(map[string]codec.Codec, len(t.codecs)+len(also)+1)
	for contentType, c := range t.codecs {
		copied.codecs[contentType] = c
	}
	for _, c := range append(also, c) {
		copied.codecs[c.ContentType()] = c
	}
	copied.codec = c
	return &copied
}

func (t *EventTable[E]) add(l line[E]) {
	if err := store.CheckName("event type", l.name); err != nil {
		panic(fmt.Sprintf("eventus: define %s: %v", t.category, err))
	}
	if other, ok := t.byName[l.name]; ok {
		panic(fmt.Sprintf("eventus: define %s: %q is the name of %s and of %s; give each its own", t.category, l.name, other.goType, l.goType))
	}
	if other := t.lineOf(l.zero); other != nil && !l.upcast && !t.foreign {
		panic(fmt.Sprintf("eventus: define %s: %s is registered as %q and as %q; keep one, and read the other by Upcast", t.category, l.goType, other.name, l.name))
	}
	t.byName[l.name] = &l
	t.lines = append(t.lines, &l)
}

// finish checks what only the whole table can tell.
func (t *EventTable[E]) finish() {
	if len(t.lines) == 0 {
		panic(fmt.Sprintf("eventus: define %s: no events; add a line for each", t.category))
	}
	for _, l := range t.lines {
		if l.upcast && t.lineOf(l.zero) == nil {
			panic(fmt.Sprintf("eventus: define %s: %q is upcast to %s, which has no line of its own; add Type[%s](...)", t.category, l.name, l.goType, l.goType))
		}
	}
}

// Category returns the category of the events' streams, which is their topic at
// the broker too.
func (t *EventTable[E]) Category() string { return t.category }

// Foreign reports whether the table was made by [Foreign].
func (t *EventTable[E]) Foreign() bool { return t.foreign }

// Stream returns the stream of the aggregate with that id.
func (t *EventTable[E]) Stream(id string) Stream { return Stream{Category: t.category, ID: id} }

// Codec returns the codec that events and snapshots are encoded with.
func (t *EventTable[E]) Codec() codec.Codec { return t.codec }

// EventInfo describes a line of a table, for tools that look at the forms of
// events: contracts, documentation, schemas.
type EventInfo struct {
	Name   string // the wire name
	Upcast bool   // whether it is an old form, read and never written
	Event  any    // the zero value of the event that it is read as
	Form   any    // the zero value of what is stored; the old form of an upcast
}

// Types lists the table in the order of its declaration.
func (t *EventTable[E]) Types() []EventInfo {
	types := make([]EventInfo, len(t.lines))
	for i, l := range t.lines {
		types[i] = EventInfo{Name: l.name, Upcast: l.upcast, Event: l.zero, Form: l.form}
	}
	return types
}

// lineOf returns the line under which an event is stored. A table is short, and
// a failed type assertion costs about a nanosecond: a walk beats a map here.
func (t *EventTable[E]) lineOf(event any) *line[E] {
	for _, l := range t.lines {
		if !l.upcast && l.matches(event) {
			return l
		}
	}
	return nil
}

// Encode returns the event with its wire name, content type and data. The
// caller fills in the rest. Its errors are [ErrUnknownEvent] and those of the
// codec, both naming the event.
func (t *EventTable[E]) Encode(event E) (store.Event, error) {
	l := t.lineOf(event)
	if l == nil {
		return store.Event{}, fmt.Errorf("%w: %T is not in the definition of %s", ErrUnknownEvent, event, t.category)
	}
	data, err := t.codec.Encode(event)
	if err != nil {
		return store.Event{}, fmt.Errorf("encode %s (%T): %w", l.name, event, err)
	}
	return store.Event{Type: l.name, ContentType: t.codec.ContentType(), Data: data}, nil
}

// Decode returns the message with its event typed. What it cannot decode is a
// [*DecodeError].
//
// A message whose type is not in the table is an error that matches
// [ErrUnknownEvent] for an aggregate's own events: leaving one out would lose a
// fact. In a [Foreign] table it is not an error, and known is false.
func (t *EventTable[E]) Decode(m store.Message) (message Message[E], known bool, err error) {
	if _, ok := t.byName[m.Type]; !ok && t.foreign {
		return Message[E]{}, false, nil
	}
	event, err := t.decode(&m)
	if err != nil {
		return Message[E]{}, false, err
	}
	return Message[E]{
		ID:       m.ID,
		Stream:   m.Stream,
		Version:  m.Version,
		Position: m.Position,
		Time:     m.Time,
		Type:     m.Type,
		Metadata: m.Metadata,
		Event:    event,
	}, true, nil
}

// decode returns the event of a message. A codec or an upcaster that panics
// condemns the message, not the program.
func (t *EventTable[E]) decode(m *store.Message) (event E, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = &DecodeError{Stream: m.Stream, Version: m.Version, Type: m.Type, Err: err}
		}
	}()
	l, ok := t.byName[m.Type]
	if !ok {
		return event, ErrUnknownEvent
	}
	c := t.codecOf(m.ContentType)
	if c == nil {
		return event, fmt.Errorf("%w: %q", errContentType, m.ContentType)
	}
	return l.decode(c, m.Data)
}

// codecOf returns the codec for a content type, or nil. Other producers write
// media types with parameters, in any case, and with the suffix of the syntax
// that a type of theirs has (RFC 9110, section 8.3.1, and RFC 6839).
func (t *EventTable[E]) codecOf(contentType string) codec.Codec {
	if c, ok := t.codecs[contentType]; ok {
		return c
	}
	base, _, _ := strings.Cut(contentType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	if c, ok := t.codecs[base]; ok {
		return c
	}
	if i := strings.LastIndexByte(base, '+'); i > 0 {
		return t.codecs["application/"+base[i+1:]]
	}
	return nil
}

var errContentType = errors.New("no codec for the content type")
