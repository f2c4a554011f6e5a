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
	name   string
	goType string
	upcast bool
	// matches reports whether an event has the line's Go type.
	matches func(event any) bool
	zero    Event[S]
	decode  func(codec.Codec, []byte) (Event[S], error)
}

// Type declares that T is an event, stored under the given wire name. The name
// is for ever: it is in the store and on the wire, while the Go type may be
// renamed. T is a struct, not a pointer to one.
//
//	eventus.Type[Created]("product.created")
func Type[T Event[S], S any](name string) EventType[S] {
	return EventType[S]{
		name:    name,
		goType:  goTypeOf[T](),
		matches: is[T],
		zero:    zeroOf[T](),
		decode: func(c codec.Codec, data []byte) (Event[S], error) {
			var event T
			if err := c.Decode(data, &event); err != nil {
				return nil, err
			}
			return event, nil
		},
	}
}

// Upcast declares how events stored in an old form, under an old wire name, are
// read as events of today. The store keeps the old bytes. T is one of the
// definition's types.
//
//	eventus.Upcast("product.created.v0", func(old createdV0) Created { ... })
func Upcast[Old any, T Event[S], S any](name string, upcast func(old Old) T) EventType[S] {
	return EventType[S]{
		name:    name,
		goType:  goTypeOf[T](),
		upcast:  true,
		matches: is[T],
		zero:    zeroOf[T](),
		decode: func(c codec.Codec, data []byte) (Event[S], error) {
			var old Old
			if err := c.Decode(data, &old); err != nil {
				return nil, err
			}
			return upcast(old), nil
		},
	}
}

func is[T any](event any) bool {
	_, ok := event.(T)
	return ok
}

// zeroOf returns nil when T is an interface.
func zeroOf[T Event[S], S any]() Event[S] {
	var zero T
	if any(zero) == nil {
		return nil
	}
	return zero
}

func goTypeOf[T any]() string {
	var p *T
	return fmt.Sprintf("%T", p)[1:]
}
