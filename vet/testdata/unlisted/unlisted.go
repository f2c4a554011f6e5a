// Package unlisted has an aggregate whose definition lacks events.
package unlisted

import (
	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/vet/testdata/unlisted/elsewhere"
)

type Event interface{ eventus.Event[elsewhere.State] }

type Order struct {
	eventus.Aggregate[elsewhere.State, Event]
}

type Placed struct{}

func (Placed) Apply(*elsewhere.State) {}

// Paid is listed by a variable.
type Paid struct{}

func (Paid) Apply(*elsewhere.State) {}

var paid = eventus.Type[Paid]("order.paid")

var Orders = eventus.Define("order", eventus.New[Order],
	eventus.Type[Placed]("order.placed"),
	paid,
	eventus.Upcast("order.placed.v0", func(placedV0) Placed { return Placed{} }),
)

// placedV0 was an event once.
type placedV0 struct{}

func (placedV0) Apply(*elsewhere.State) {}

type Sent struct{} // want `Sent is an event of Order and not in its definition: add eventus.Type\[Sent\]\("order..."\)`

func (Sent) Apply(*elsewhere.State) {}

// A test lists it, which is not enough.
type Returned struct{} // want `Returned is an event of Order and not in its definition`

func (Returned) Apply(*elsewhere.State) {}

type Pointed struct{} // want `Pointed is an event of Order and not in its definition: give Apply a value receiver, and add eventus.Type\[Pointed\]`

func (*Pointed) Apply(*elsewhere.State) {}

//eventusvet:ignore unlisted it is read by another program
type Meant struct{}

func (Meant) Apply(*elsewhere.State) {}

//eventusvet:ignore unlisted
type WithoutReason struct{} // want `WithoutReason is an event`

func (WithoutReason) Apply(*elsewhere.State) {}

//eventusvet:ignore lossy that is for another analyzer
type WithAnotherName struct{} // want `WithAnotherName is an event`

func (WithAnotherName) Apply(*elsewhere.State) {}

// What is no event of an order.

type config struct{}

type option struct{}

func (option) Apply(*config) {}

type envelope struct{ Event }

type generic[T any] struct{ Value T }

func (generic[T]) Apply(*elsewhere.State) {}

type alias = Sent

type returning struct{}

func (returning) Apply(*elsewhere.State) error { return nil }

// What is recorded.

func (o *Order) Record2(e Event) {
	o.Record(Placed{})
	o.Record(Sent{})            // its declaration is reported
	o.Record(elsewhere.Lost{})  // want `elsewhere.Lost is recorded on Order and not in its definition: add eventus.Type\[elsewhere.Lost\]\("order..."\)`
	o.Record(&Placed{})         // want `a pointer to Placed is recorded: its definition lists the value; record that`
	o.Record(embedding{})       // want `embedding is recorded on Order and not in its definition`
	o.Record(e)                 // not known here
	(&other{}).Record(Placed{}) // of no aggregate
}

type embedding struct{ Placed }

type other struct{}

func (*other) Record(Event) {}
