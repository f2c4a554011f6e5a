package eventus

import (
	"fmt"

	"github.com/eventus-go/eventus/codec"
)

// Definition is what Eventus knows of one kind of aggregate: its category, how
// to make one, and its table of events. It is made once by [Define], holds no
// aggregate, and is safe for concurrent use.
type Definition[A, E any] struct {
	*Events[E]
	make func() A
	core func(A) core
}

// Define ties an aggregate to its category and its events.
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
	events := newEvents[E](category, codec.JSON{})
	for _, t := range types {
		if t.zero == nil {
			panic(fmt.Sprintf("eventus: define %s: %q is registered for the interface %s; register the concrete event", category, t.name, t.goType))
		}
		if _, ok := t.zero.(E); !ok {
			panic(fmt.Sprintf("eventus: define %s: %s, registered as %q, is not a %s", category, t.goType, t.name, goTypeOf[E]()))
		}
		entry := &eventType[E]{
			name:    t.name,
			goType:  t.goType,
			matches: t.matches,
			upcast:  t.upcast,
			decode: func(c codec.Codec, data []byte) (E, error) {
				event, err := t.decode(c, data)
				if err != nil {
					var none E
					return none, err
				}
				return event.(E), nil
			},
		}
		events.add(entry)
	}
	events.finish()
	return &Definition[A, E]{
		Events: events,
		make:   make,
		core:   func(a A) core { return a.root() },
	}
}

// New returns a new T. It is what [Define] is given to make aggregates.
func New[T any]() *T { return new(T) }

// WithCodec returns a copy of the definition that encodes with c. It decodes by
// the content type that is stored with each event: that of c, those of also,
// and JSON.
func (d *Definition[A, E]) WithCodec(c codec.Codec, also ...codec.Codec) *Definition[A, E] {
	copied := *d
	copied.Events = d.Events.WithCodec(c, also...)
	return &copied
}

// new returns an aggregate of this definition without events.
func (d *Definition[A, E]) new(id string) (A, core) {
	a := d.make()
	c := d.core(a)
	c.bind(d.Stream(id), d.Events)
	return a, c
}
