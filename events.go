package eventus

import (
	"errors"
	"fmt"

	"github.com/eventus-go/eventus/codec"
	"github.com/eventus-go/eventus/store"
)

// Events is the table of one category's events: wire names on one side, Go
// types on the other. [Define] makes one for an aggregate, [Foreign] one for
// the events of another service. It is safe for concurrent use.
type Events[E any] struct {
	category string
	codec    codec.Codec
	codecs   map[string]codec.Codec // by content type
	types    []*eventType[E]        // in the order of declaration
	byName   map[string]*eventType[E]
	foreign  bool
}

// eventType is an [EventType] or a [ForeignType] as seen from E.
type eventType[E any] struct {
	name    string
	goType  string
	upcast  bool
	matches func(event any) bool
	decode  func(codec.Codec, []byte) (E, error)
}

func newEvents[E any](category string, c codec.Codec) *Events[E] {
	// The store judges the category, so that it cannot refuse it later.
	if err := (store.Stream{Category: category, ID: "id"}).Check(); err != nil {
		panic(fmt.Sprintf("eventus: define %q: %v", category, err))
	}
	events := &Events[E]{category: category, byName: make(map[string]*eventType[E])}
	return events.WithCodec(c)
}

// WithCodec returns a copy of the table that encodes with c. It decodes by the
// content type that is stored with each event: that of c, those of also, and
// that of the codec it had before.
func (t *Events[E]) WithCodec(c codec.Codec, also ...codec.Codec) *Events[E] {
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

func (t *Events[E]) add(entry *eventType[E]) {
	if err := store.CheckName("event type", entry.name); err != nil {
		panic(fmt.Sprintf("eventus: define %s: %v", t.category, err))
	}
	if other, ok := t.byName[entry.name]; ok {
		panic(fmt.Sprintf("eventus: define %s: %q is the name of %s and of %s; give each its own", t.category, entry.name, other.goType, entry.goType))
	}
	if !entry.upcast {
		for _, other := range t.types {
			if !other.upcast && other.goType == entry.goType {
				panic(fmt.Sprintf("eventus: define %s: %s is registered as %q and as %q; keep one, and read the other by Upcast", t.category, entry.goType, other.name, entry.name))
			}
		}
	}
	t.byName[entry.name] = entry
	t.types = append(t.types, entry)
}

// finish checks what only the whole table can tell.
func (t *Events[E]) finish() {
	current := 0
	for _, entry := range t.types {
		if !entry.upcast {
			current++
			continue
		}
		if !t.registers(entry) {
			panic(fmt.Sprintf("eventus: define %s: %q is upcast to %s, which has no line of its own; add Type[%s](...)", t.category, entry.name, entry.goType, entry.goType))
		}
	}
	if current == 0 {
		panic(fmt.Sprintf("eventus: define %s: no events; add a Type line for each", t.category))
	}
}

func (t *Events[E]) registers(upcast *eventType[E]) bool {
	for _, entry := range t.types {
		if !entry.upcast && entry.goType == upcast.goType {
			return true
		}
	}
	return false
}

// Category returns the category of the events' streams, which is their topic at
// the broker too.
func (t *Events[E]) Category() string { return t.category }

// Stream returns the stream of the aggregate with that id.
func (t *Events[E]) Stream(id string) Stream { return Stream{Category: t.category, ID: id} }

// nameOf returns the wire name of an event. A table has few types, and a failed
// type assertion costs about a nanosecond: a walk beats a map here.
func (t *Events[E]) nameOf(event E) (string, bool) {
	for _, entry := range t.types {
		if !entry.upcast && entry.matches(event) {
			return entry.name, true
		}
	}
	return "", false
}

// Encode returns the event with its wire name, content type and data. The
// caller fills in the rest. Its errors are [ErrUnknownEvent] and those of the
// codec, both naming the event.
func (t *Events[E]) Encode(event E) (store.Event, error) {
	name, ok := t.nameOf(event)
	if !ok {
		return store.Event{}, fmt.Errorf("%w: %T is not in the definition of %s", ErrUnknownEvent, event, t.category)
	}
	data, err := t.codec.Encode(event)
	if err != nil {
		return store.Event{}, fmt.Errorf("encode %s (%T): %w", name, event, err)
	}
	return store.Event{Type: name, ContentType: t.codec.ContentType(), Data: data}, nil
}

// Decode returns the message with its event typed. What it cannot decode is a
// [*DecodeError].
//
// A message whose type is not in the table is an error that matches
// [ErrUnknownEvent] for an aggregate's own events: leaving one out would lose a
// fact. In a [Foreign] table it is not an error, and known is false.
func (t *Events[E]) Decode(m store.Message) (message Message[E], known bool, err error) {
	entry, ok := t.byName[m.Type]
	if !ok && t.foreign {
		return Message[E]{}, false, nil
	}
	event, err := t.decode(entry, &m)
	if err != nil {
		return Message[E]{}, false, &DecodeError{Stream: m.Stream, Version: m.Version, Type: m.Type, Err: err}
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

func (t *Events[E]) decode(entry *eventType[E], m *store.Message) (event E, err error) {
	if entry == nil {
		return event, ErrUnknownEvent
	}
	c, ok := t.codecs[m.ContentType]
	if !ok {
		return event, fmt.Errorf("%w: %q", errContentType, m.ContentType)
	}
	return entry.decode(c, m.Data)
}

var errContentType = errors.New("no codec for the content type")
