package product

import "context"

// View is a product as the read model knows it: a row of product_views.
type View struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Price        Money  `json:"price"`
	Discontinued bool   `json:"discontinued"`
	Version      int64  `json:"version"`

	// Changes counts the events that were applied to the row. Each takes the
	// version one further, so it is equal to Version as long as every effect
	// has happened exactly once; an effect that happened twice would show here
	// and nowhere else. It is for tests and audits, not for clients.
	Changes int64 `json:"-"`
}

// viewOf returns the product as a view of the version it was loaded at.
func viewOf(p *Product) View {
	s := p.State()
	return View{ID: p.ID(), Name: s.Name, Price: s.Price, Discontinued: s.Discontinued, Version: p.Version(), Changes: p.Version()}
}

// Views reads product_views. What it sees may be behind the store.
type Views interface {
	// Get returns one row, or [eventus.ErrNotFound].
	Get(ctx context.Context, id string) (View, error)
	// List returns up to limit rows whose ids come after the given one, in the
	// order of their bytes.
	List(ctx context.Context, after string, limit int) ([]View, error)
}

// ViewWriter writes product_views in a transaction of its database. Every
// method adds 1 to the row's changes.
type ViewWriter[Tx any] interface {
	// Insert adds the row of a new product.
	Insert(ctx context.Context, tx Tx, id string, version int64, name string, price Money) error
	// SetName, SetPrice and SetDiscontinued change a row and its version. A row
	// that is not there is an error.
	SetName(ctx context.Context, tx Tx, id string, version int64, name string) error
	SetPrice(ctx context.Context, tx Tx, id string, version int64, price Money) error
	SetDiscontinued(ctx context.Context, tx Tx, id string, version int64) error
	// Clear removes all rows, before they are built anew.
	Clear(ctx context.Context, tx Tx) error
}
