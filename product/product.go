package product

import "github.com/eventus-go/eventus"

// Product is the aggregate. Its methods are the decisions: each looks at the
// state, refuses with an error, or records what has happened.
type Product struct {
	eventus.Aggregate[State, Event]
}

// Create brings the product into being.
func (p *Product) Create(name string, price Money) error {
	if p.Version() > 0 {
		return ErrExists
	}
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	if err := price.Check(); err != nil {
		return err
	}
	p.Record(Created{Name: name, Price: price})
	return nil
}

// Reprice gives the product a new price in its own currency: who has added up
// prices of a product must not find that they were of two kinds.
func (p *Product) Reprice(price Money) error {
	if err := p.changeable(); err != nil {
		return err
	}
	if err := price.Check(); err != nil {
		return err
	}
	current := p.State().Price
	if price.Currency != current.Currency {
		return ErrOtherCurrency
	}
	if price != current {
		p.Record(Repriced{Price: price})
	}
	return nil
}

// Rename gives the product a new name.
func (p *Product) Rename(name string) error {
	if err := p.changeable(); err != nil {
		return err
	}
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	if name != p.State().Name {
		p.Record(Renamed{Name: name})
	}
	return nil
}

// Discontinue ends the product's life: it stays, and never changes again.
// Doing so twice is no mistake.
func (p *Product) Discontinue() error {
	if p.Version() == 0 {
		return eventus.ErrNotFound
	}
	if !p.State().Discontinued {
		p.Record(Discontinued{})
	}
	return nil
}

// changeable refuses what is not there yet and what is no longer made.
func (p *Product) changeable() error {
	switch {
	case p.Version() == 0:
		return eventus.ErrNotFound
	case p.State().Discontinued:
		return ErrDiscontinued
	}
	return nil
}
