// Package coded has a definition with a codec of its own.
package coded

import (
	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/codec"
)

type State struct{}

type Event interface{ eventus.Event[State] }

type Order struct {
	eventus.Aggregate[State, Event]
}

type Placed struct{ by string }

func (Placed) Apply(*State) {}

type binary struct{ codec.JSON }

var Orders = eventus.Define("order", eventus.New[Order], eventus.Type[Placed]("order.placed")).WithCodec(binary{})

// Bills has it for tests alone.

type Bill struct {
	eventus.Aggregate[Sum, BillEvent]
}

type Sum struct{}

type BillEvent interface{ eventus.Event[Sum] }

type Billed struct{ to string } // want `Billed.to is unexported`

func (Billed) Apply(*Sum) {}

var Bills = eventus.Define("bill", eventus.New[Bill], eventus.Type[Billed]("bill.billed"))
