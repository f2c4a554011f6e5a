// Package eventus is a framework for CQRS and event sourcing: typed aggregates,
// an event store with a transactional outbox, and consumers whose effect
// happens once.
//
// A service declares a state, its events, an aggregate that embeds
// [Aggregate], and one [Define] that ties them together; a [Repository] loads
// and stores the aggregates. Domain code needs this package alone. The parts
// around it live in packages of their own:
//
//   - store/memory, store/sqlite and store/postgres keep the events.
//   - outbox relays them to a broker, broker/jetstream for one.
//   - consume runs handlers and projections, each effect once.
//   - eventustest tests aggregates by given, when, then.
//
// Nothing here is global: two definitions, two repositories and two tests never
// meet. Nothing is found by reflection: what a definition holds is known to the
// compiler.
package eventus

import (
	"fmt"
	"strings"

	"github.com/eventus-go/eventus/codec"
)

// Definition is what Eventus knows of one kind of aggregate: its category, how
// to make one, and its table of events, whose methods it has ([EventTable]). It is
// made once by [Define], holds no aggregate, and is safe for concurrent use.
type Definition[A, E any] struct {
	*events[E]
	make func() A
	core func(A) core
}

// events is [EventTable], under a name that keeps it from being set from outside.
type events[E any] = EventTable[E]

// Define declares a kind of aggregate: its category, how to make an empty one, and
// the name that each event is stored under. Call it once, in a package variable.
//
//	var Products = eventus.Define("product", eventus.New[Product],
//		eventus.Type[Created]("product.created"),
//		eventus.Type[Repriced]("product.repriced"),
//	)
//
// The category names the aggregate's streams in the store and its topic at the
// broker. The function returns a new, empty aggregate.
//
// Define panics, with the cure, on what the compiler cannot see: no events, a
// name used twice, a type listed twice, a category or name that a store
// refuses, an upcast to a type that is not listed.
func Define[S any, E Event[S], A Root[S, E]](category string, make func() A, types ...EventType[S]) *Definition[A, E] {
	if make == nil {
		panic(fmt.Sprintf("eventus: define %s: no function makes an aggregate; give eventus.New", category))
	}
	events := newEvents[E](category, codec.JSON{})
	for _, t := range types {
		switch t.line.zero.(type) {
		case E:
		case nil:
			panic(fmt.Sprintf("eventus: define %s: %q is registered for the interface %s; register the concrete event", category, t.line.name, t.line.goType))
		default:
			panic(fmt.Sprintf("eventus: define %s: %s, registered as %q, is not a %s", category, t.line.goType, t.line.name, goTypeOf[E]()))
		}
		if strings.HasPrefix(t.line.goType, "*") {
			panic(fmt.Sprintf("eventus: define %s: %q is registered for the pointer %s; events are values", category, t.line.name, t.line.goType))
		}
		events.add(narrow[E](t.line))
	}
	events.finish()
	return &Definition[A, E]{
		events: events,
		make:   make,
		core:   func(a A) core { return a.embedsEventusAggregate() },
	}
}

// narrow returns the line for a narrower E, which its Go type is known to
// satisfy.
func narrow[E any, W any](wide line[W]) line[E] {
	return line[E]{
		name: wide.name, goType: wide.goType, upcast: wide.upcast, zero: wide.zero, form: wide.form, matches: wide.matches,
		decode: func(c codec.Codec, data []byte) (event E, err error) {
			decoded, err := wide.decode(c, data)
			if err != nil {
				return event, err
			}
			return any(decoded).(E), nil
		},
	}
}

// New returns a new T. It is what [Define] is given to make aggregates.
func New[T any]() *T { return new(T) }

// WithCodec returns a copy of the definition that encodes with c. It decodes by
// the content type that is stored with each event: that of c, those of also,
// and JSON.
func (d *Definition[A, E]) WithCodec(c codec.Codec, also ...codec.Codec) *Definition[A, E] {
	copied := *d
	copied.events = d.events.WithCodec(c, also...)
	return &copied
}

// new returns an aggregate of this definition without events.
func (d *Definition[A, E]) new(id string) (A, core) {
	a := d.make()
	c := d.core(a)
	c.bind(d.Stream(id), d.events)
	return a, c
}
