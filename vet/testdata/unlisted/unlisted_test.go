package unlisted

import (
	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/vet/testdata/unlisted/elsewhere"
)

// Tried is listed by one of two definitions.
type Tried struct{}

func (Tried) Apply(*elsewhere.State) {}

type Forgotten struct{} // want `Forgotten is an event of Order`

func (Forgotten) Apply(*elsewhere.State) {}

var oldOrders = eventus.Define("order", eventus.New[Order], eventus.Type[Returned]("order.returned"))

var newOrders = eventus.Define("order", eventus.New[Order], eventus.Type[Tried]("order.tried"))
