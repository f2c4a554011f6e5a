// Package order is the aggregate and the projection that the mutation check of
// eventustest breaks, one line at a time. As it stands it is correct.
package order

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eventus-go/eventus"
)

// State has a bit of all that a state can hold.
type State struct {
	Customer string
	Tags     []string
	Lines    []Line
	Codes    map[string]int64
	Note     *Note
	Total    int64
	Opened   time.Time
	Placed   bool
}

// Line is a line of an order.
type Line struct {
	SKU      string
	Quantity int64
	Price    int64
}

// Note is a remark that can be changed.
type Note struct {
	Text  string
	Edits int64
}

// Event is satisfied by the events of an order.
type Event interface{ eventus.Event[State] }

// The events.
type (
	Opened struct {
		Customer string    `json:"customer"`
		Tags     []string  `json:"tags"`
		At       time.Time `json:"at"`
	}
	Tagged    struct{ Tag string }
	LineAdded struct{ Line Line }
	Removed   struct{ SKU string }
	Coded     struct{ Codes map[string]int64 }
	Noted     struct{ Note *Note }
	Edited    struct{ Text string }
	Placed    struct{}
)

// Apply opens the order.
func (e Opened) Apply(s *State) {
	s.Customer = e.Customer
	s.Tags = slices.Clone(e.Tags)
	s.Opened = e.At
}

// Apply adds a tag.
func (e Tagged) Apply(s *State) { s.Tags = append(s.Tags, e.Tag) }

// Apply adds a line.
func (e LineAdded) Apply(s *State) {
	s.Lines = append(s.Lines, e.Line)
	s.Total += e.Line.Price * e.Line.Quantity
}

// Apply removes the lines of a product.
func (e Removed) Apply(s *State) {
	for _, l := range s.Lines {
		if l.SKU == e.SKU {
			s.Total -= l.Price * l.Quantity
		}
	}
	s.Lines = slices.DeleteFunc(slices.Clone(s.Lines), func(l Line) bool { return l.SKU == e.SKU })
}

// Apply adds discount codes.
func (e Coded) Apply(s *State) {
	if s.Codes == nil {
		s.Codes = make(map[string]int64)
	}
	maps.Copy(s.Codes, e.Codes)
}

// Apply keeps the note.
func (e Noted) Apply(s *State) {
	note := *e.Note
	s.Note = &note
}

// Apply changes the note.
func (e Edited) Apply(s *State) {
	s.Note = &Note{Text: e.Text, Edits: s.Note.Edits + 1}
}

// Apply places the order.
func (e Placed) Apply(s *State) { s.Placed = true }

type openedV0 struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// Order is the aggregate.
type Order struct {
	eventus.Aggregate[State, Event]
}

// Orders is its definition.
var Orders = eventus.Define("order", eventus.New[Order],
	eventus.Type[Opened]("order.opened"),
	eventus.Type[Tagged]("order.tagged"),
	eventus.Type[LineAdded]("order.line_added"),
	eventus.Type[Removed]("order.removed"),
	eventus.Type[Coded]("order.coded"),
	eventus.Type[Noted]("order.noted"),
	eventus.Type[Edited]("order.edited"),
	eventus.Type[Placed]("order.placed"),
	eventus.Upcast("order.opened.v0", func(o openedV0) Opened {
		return Opened{Customer: o.Name, Tags: []string{o.Label}}
	}),
)

// The reasons to refuse.
var (
	ErrExists = errors.New("exists already")
	ErrAbsent = errors.New("is not there")
	ErrPlaced = errors.New("is placed")
	ErrBad    = errors.New("makes no sense")
)

// Open begins an order.
func (o *Order) Open(customer string, tags []string, at time.Time) error {
	if o.Version() > 0 {
		return ErrExists
	}
	if customer == "" {
		return ErrBad
	}
	o.Record(Opened{Customer: customer, Tags: tags, At: at})
	return nil
}

// Tag adds a tag.
func (o *Order) Tag(tag string) error {
	if err := o.changeable(); err != nil {
		return err
	}
	if slices.Contains(o.State().Tags, tag) {
		return nil
	}
	o.Record(Tagged{Tag: tag})
	return nil
}

// Add adds a line, and a tag for it.
func (o *Order) Add(line Line) error {
	if err := o.changeable(); err != nil {
		return err
	}
	if line.SKU == "" || line.Quantity <= 0 || line.Price < 0 {
		return ErrBad
	}
	o.Record(LineAdded{Line: line})
	return o.Tag(strings.ToUpper(line.SKU))
}

// Remove removes a line.
func (o *Order) Remove(sku string) error {
	if err := o.changeable(); err != nil {
		return err
	}
	if !slices.ContainsFunc(o.State().Lines, func(l Line) bool { return l.SKU == sku }) {
		return ErrAbsent
	}
	o.Record(Removed{SKU: sku})
	return nil
}

// Code adds discount codes.
func (o *Order) Code(codes map[string]int64) error {
	if err := o.changeable(); err != nil {
		return err
	}
	if len(codes) > 0 {
		o.Record(Coded{Codes: maps.Clone(codes)})
	}
	return nil
}

// Annotate sets the note, or changes the one that is there.
func (o *Order) Annotate(text string) error {
	if err := o.changeable(); err != nil {
		return err
	}
	if o.State().Note == nil {
		o.Record(Noted{Note: &Note{Text: text}})
	} else {
		o.Record(Edited{Text: text})
	}
	return nil
}

// Place ends the order's changes.
func (o *Order) Place() error {
	if err := o.changeable(); err != nil {
		return err
	}
	o.Record(Placed{})
	return nil
}

func (o *Order) changeable() error {
	switch {
	case o.Version() == 0:
		return ErrAbsent
	case o.State().Placed:
		return ErrPlaced
	}
	return nil
}
