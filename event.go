package eventus

import (
	"fmt"

	"github.com/eventus-go/eventus/codec"
)

// Event is a fact about an aggregate with the state S, in the past tense:
// Created, Repriced. It is a plain value.
//
// Apply changes the state by what the event tells and by nothing else: it reads
// no clock and no random source, it does not fail, it does not write to the
// event, and it keeps no reference into the event that later changes would
// write through. It runs again for every load, for ever.
type Event[S any] interface {
	Apply(state *S)
}

// EventType is a line of a definition's table, made by [Type] or [Upcast].
type EventType[S any] struct {
	line line[Event[S]]
}

// Type declares that T is an event, stored under the given wire name. The name
// is for ever: it is in the store and on the wire, while the Go type may be
// renamed. T is a struct, not a pointer to one.
//
//	eventus.Type[Created]("product.created")
func Type[T Event[S], S any](name string) EventType[S] {
	return EventType[S]{newLine[T](name, func(event T) Event[S] { return event })}
}

// Upcast declares how events stored in an old form, under an old wire name, are
// read as events of today. The store keeps the old bytes. T is one of the
// definition's types.
//
//	eventus.Upcast("product.created.v0", func(old createdV0) Created { ... })
func Upcast[Old any, T Event[S], S any](name string, upcast func(old Old) T) EventType[S] {
	if upcast == nil {
		panic(fmt.Sprintf("eventus: upcast of %q has no function", name))
	}
	line := newLine[T](name, func(old Old) Event[S] { return upcast(old) })
	line.upcast = true
	return EventType[S]{line}
}

// line ties a wire name to a Go type, and tells how stored data becomes an E.
type line[E any] struct {
	name    string
	goType  string
	upcast  bool // a form that is read and never written
	zero    any  // of the Go type; nil when that is an interface
	form    any  // zero of the Go type that is stored, the old one of an upcast
	matches func(event any) bool
	decode  func(codec.Codec, []byte) (E, error)
}

// newLine returns a line whose events are of the Go type T, stored as Wire.
func newLine[T, Wire, E any](name string, read func(Wire) E) line[E] {
	var zero T
	var form Wire
	return line[E]{
		name:   name,
		goType: goTypeOf[T](),
		zero:   zero,
		form:   form,
		matches: func(event any) bool {
			_, ok := event.(T)
			return ok
		},
		decode: func(c codec.Codec, data []byte) (event E, err error) {
			var wire Wire
			if err := c.Decode(data, &wire); err != nil {
				return event, err
			}
			return read(wire), nil
		},
	}
}

func goTypeOf[T any]() string {
	var p *T
	return fmt.Sprintf("%T", p)[1:]
}
