package eventus

import (
	"fmt"

	"github.com/eventus-go/eventus/codec"
)

// ForeignType is a line of a [Foreign] table, made by [Known].
type ForeignType[E any] struct {
	line line[E]
}

// Foreign declares the events of another service that this one knows, without
// an aggregate. E is the reader's own word for them, often a small interface.
//
//	var Products = eventus.Foreign("product",
//		eventus.Known("product.created", func(e productCreated) Notice { return Listed{e.Name} }),
//	)
//
// The other service may add event types and fields at any time. Types that are
// not declared here pass by, and a receiver counts and logs them; fields that the
// Go types do not have are ignored.
//
// The other service need not be built with Eventus: plain CloudEvents do, as
// consume.Receive describes. Data in JSON is read under every content type that
// says so, such as "application/json; charset=utf-8" and
// "application/vnd.erp.order+json".
//
// Foreign panics on a table without lines, a name used twice, and a category or
// name that a store refuses.
func Foreign[E any](category string, types ...ForeignType[E]) *EventTable[E] {
	events := newEvents[E](category, codec.JSON{AllowUnknownFields: true})
	events.foreign = true
	for _, t := range types {
		events.add(t.line)
	}
	events.finish()
	return events
}

// Known declares an event of another service: its wire name, its form as T, and
// what it means here. The function is called for every message of that name; it
// returns its argument where T is an E already.
func Known[T, E any](name string, translate func(T) E) ForeignType[E] {
	if translate == nil {
		panic(fmt.Sprintf("eventus: foreign event %q has no function", name))
	}
	return ForeignType[E]{newLine[T](name, translate)}
}
