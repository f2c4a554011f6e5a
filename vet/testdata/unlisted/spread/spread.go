// Package spread has definitions whose lines cannot be followed.
package spread

import "github.com/eventus-go/eventus"

type State struct{}

type Event interface{ eventus.Event[State] }

type Order struct {
	eventus.Aggregate[State, Event]
}

type Placed struct{}

func (Placed) Apply(*State) {}

var lines = []eventus.EventType[State]{}

var Orders = eventus.Define("order", eventus.New[Order], lines...)

type Bill struct {
	eventus.Aggregate[Sum, BillEvent]
}

type Sum struct{}

type BillEvent interface{ eventus.Event[Sum] }

type Billed struct{}

func (Billed) Apply(*Sum) {}

var Bills = eventus.Define("bill", eventus.New[Bill], line())

func line() eventus.EventType[Sum] { panic("what it returns is not known") }
