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

// Commands holds the handler of each command.
type Commands struct {
	CreateProduct eventus.CommandHandler[CreateProduct]
	ChangePrice   eventus.CommandHandler[ChangePrice]
	Rename        eventus.CommandHandler[Rename]
	Discontinue   eventus.CommandHandler[Discontinue]
}

// NewCommands returns handlers that change the products of a repository.
func NewCommands(products *eventus.Repository[*Product]) Commands {
	h := handlers{products}
	return Commands{
		CreateProduct: eventus.CommandHandlerFunc[CreateProduct](h.createProduct),
		ChangePrice:   eventus.CommandHandlerFunc[ChangePrice](h.changePrice),
		Rename:        eventus.CommandHandlerFunc[Rename](h.rename),
		Discontinue:   eventus.CommandHandlerFunc[Discontinue](h.discontinue),
	}
}

type handlers struct {
	products *eventus.Repository[*Product]
}

func (h handlers) createProduct(ctx context.Context, c CreateProduct) (int64, error) {
	return h.update(ctx, c.ID, c.CommandID, nil, func(p *Product) error { return p.Create(c.Name, c.Price) })
}

func (h handlers) changePrice(ctx context.Context, c ChangePrice) (int64, error) {
	return h.update(ctx, c.ID, c.CommandID, c.Expected, func(p *Product) error { return p.Reprice(c.Price) })
}

func (h handlers) rename(ctx context.Context, c Rename) (int64, error) {
	return h.update(ctx, c.ID, c.CommandID, c.Expected, func(p *Product) error { return p.Rename(c.Name) })
}

func (h handlers) discontinue(ctx context.Context, c Discontinue) (int64, error) {
	return h.update(ctx, c.ID, c.CommandID, c.Expected, (*Product).Discontinue)
}

// update lets a product decide and returns its version after that.
func (h handlers) update(ctx context.Context, id, commandID string, expected *int64, decide func(*Product) error) (int64, error) {
	if err := CheckID(id); err != nil {
		return 0, err
	}
	options := []eventus.UpdateOption{eventus.CommandID(commandID)}
	if expected != nil {
		options = append(options, eventus.Expect(*expected))
	}
	version, err := h.products.Update(ctx, id, decide, options...)
	if err != nil {
		return 0, fmt.Errorf("product %q: %w", id, err)
	}
	return version, nil
}
