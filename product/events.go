package product

import "github.com/eventus-go/eventus"

// State is what the events of a product add up to.
type State struct {
	Name         string
	Price        Money
	Discontinued bool
}

// Event is satisfied by the events of a product, and by no others.
type Event interface{ eventus.Event[State] }

// Created tells that the product came into being.
type Created struct {
	Name  string `json:"name"`
	Price Money  `json:"price"`
}

// Repriced tells that the product has a new price.
type Repriced struct {
	Price Money `json:"price"`
}

// Renamed tells that the product has a new name.
type Renamed struct {
	Name string `json:"name"`
}

// Discontinued tells that the product is no longer made.
type Discontinued struct{}

func (e Created) Apply(s *State)      { s.Name, s.Price = e.Name, e.Price }
func (e Repriced) Apply(s *State)     { s.Price = e.Price }
func (e Renamed) Apply(s *State)      { s.Name = e.Name }
func (e Discontinued) Apply(s *State) { s.Discontinued = true }

// Products is the definition of the aggregate. The quoted names are stored with
// the events and never change.
var Products = eventus.Define("product", eventus.New[Product],
	eventus.Type[Created]("product.created"),
	eventus.Type[Repriced]("product.repriced"),
	eventus.Type[Renamed]("product.renamed"),
	eventus.Type[Discontinued]("product.discontinued"),
)
