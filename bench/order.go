package main

import (
	"fmt"
	"strings"

	"github.com/eventus-go/eventus"
)

// item is the payload of all contenders: 300 bytes of JSON.
type item struct {
	Order    string   `json:"order"`
	Customer string   `json:"customer"`
	SKU      string   `json:"sku"`
	Quantity int      `json:"quantity"`
	Amount   int64    `json:"amount"`
	Currency string   `json:"currency"`
	Express  bool     `json:"express"`
	Tags     []string `json:"tags"`
	Note     string   `json:"note"`
}

var note = strings.Repeat("a note of a customer ", 6)[:113]

func newItem(n int) item {
	return item{
		Order: fmt.Sprintf("order-%012d", n), Customer: fmt.Sprintf("customer-%08d", n), SKU: "sku-1234567890", Quantity: n % 10,
		Amount: 129900, Currency: "EUR", Express: true, Tags: []string{"new", "gift", "fragile"}, Note: note,
	}
}

// state is what all contenders fold the events into.
type state struct {
	Count  int   `json:"count"`
	Amount int64 `json:"amount"`
	Last   item  `json:"last"`
}

func (s *state) add(i item) { s.Count, s.Amount, s.Last = s.Count+1, s.Amount+i.Amount, i }

const (
	category  = "order"
	eventType = "order.ordered"
)

type event interface{ eventus.Event[state] }

type ordered struct{ item }

func (e ordered) Apply(s *state) { s.add(e.item) }

type order struct {
	eventus.Aggregate[state, event]
}

func (o *order) add(n int) error {
	o.Record(ordered{newItem(n)})
	return nil
}

var orders = eventus.Define(category, eventus.New[order], eventus.Type[ordered](eventType))
