package product

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus"
)

// CreateProduct asks for a new product.
type CreateProduct struct {
	CommandID string // see [eventus.CommandID]; so in the other commands
	ID        string // [NewID] makes one
	Name      string
	Price     Money
}

// ChangePrice asks for a new price.
type ChangePrice struct {
	CommandID string
	ID        string
	Price     Money
	Expected  *int64 // the version that the client has seen; nil when it does not matter
}

// Rename asks for a new name.
type Rename struct {
	CommandID string
	ID        string
	Name      string
	Expected  *int64
}

// Discontinue asks to end the product's life.
type Discontinue struct {
	CommandID string
	ID        string
	Expected  *int64
}

// Commands changes products. Each method carries out one command and returns the
// product as it is after that. A nil error says that the decision is committed,
// another that nothing is, unless it is an [eventus.ErrOutcomeUnknown].
type Commands struct {
	products *eventus.Repository[*Product]
}

// NewCommands returns the commands over the products of a repository.
func NewCommands(products *eventus.Repository[*Product]) Commands { return Commands{products} }

// CreateProduct makes a product. It returns [ErrExists] if the id is taken.
func (s Commands) CreateProduct(ctx context.Context, c CreateProduct) (*Product, error) {
	return s.update(ctx, c.ID, c.CommandID, nil, func(p *Product) error { return p.Create(c.Name, c.Price) })
}

// ChangePrice gives a product another price.
func (s Commands) ChangePrice(ctx context.Context, c ChangePrice) (*Product, error) {
	return s.update(ctx, c.ID, c.CommandID, c.Expected, func(p *Product) error { return p.Reprice(c.Price) })
}

// Rename gives a product another name.
func (s Commands) Rename(ctx context.Context, c Rename) (*Product, error) {
	return s.update(ctx, c.ID, c.CommandID, c.Expected, func(p *Product) error { return p.Rename(c.Name) })
}

// Discontinue ends the life of a product.
func (s Commands) Discontinue(ctx context.Context, c Discontinue) (*Product, error) {
	return s.update(ctx, c.ID, c.CommandID, c.Expected, (*Product).Discontinue)
}

// update lets a product decide.
func (s Commands) update(ctx context.Context, id, commandID string, expected *int64, decide func(*Product) error) (*Product, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	options := []eventus.UpdateOption{eventus.CommandID(commandID)}
	if expected != nil {
		options = append(options, eventus.Expect(*expected))
	}
	p, err := s.products.Update(ctx, id, decide, options...)
	if err != nil {
		return nil, fmt.Errorf("product %q: %w", id, err)
	}
	return p, nil
}
