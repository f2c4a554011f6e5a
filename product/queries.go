package product

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus"
)

// GetProductByID asks the read model for a product.
type GetProductByID struct {
	ID string
	// MinVersion is a version that the answer has at least: the query waits until
	// the read model shows it, or its context ends. 0 does not wait.
	MinVersion int64
}

// ListProducts asks the read model for products in the order of their ids,
// discontinued ones among them.
type ListProducts struct {
	After string // the last id of the page before; empty for the first page
	Limit int
}

// ProductPage is a page of a list.
type ProductPage struct {
	Products []View
	More     bool // whether there are products after these
}

// GetProductAtVersion asks the store for a product as it once was.
type GetProductAtVersion struct {
	ID      string
	Version int64
}

// GetProductHistory asks the store for what has happened to a product.
type GetProductHistory struct {
	ID    string
	After int64 // the last version of the page before; 0 for the first page
	Limit int
}

// HistoryPage is a page of a history.
type HistoryPage struct {
	Events []eventus.Message[Event]
	More   bool // whether there are events after these
}

// Waiter returns when the read model shows a version of a stream. A
// consume.Follower is one.
type Waiter interface {
	Wait(ctx context.Context, stream eventus.Stream, version int64) error
}

// Queries answers from the read model what is asked often, and from the store what
// only the store has. All but ListProducts return [eventus.ErrNotFound] for a
// product that is not there.
type Queries struct {
	views  Views
	waiter Waiter
	store  *eventus.Repository[*Product]
}

// NewQueries returns queries of a read model and of a store. The waiter is the
// consumer that writes the read model.
func NewQueries(views Views, waiter Waiter, products *eventus.Repository[*Product]) Queries {
	return Queries{views, waiter, products}
}

// GetProductByID reads a product from the read model.
func (s Queries) GetProductByID(ctx context.Context, q GetProductByID) (View, error) {
	if q.MinVersion > 0 {
		if err := s.waiter.Wait(ctx, Products.Stream(q.ID), q.MinVersion); err != nil {
			return View{}, err
		}
	}
	return s.views.Get(ctx, q.ID)
}

// ListProducts reads a page of products from the read model.
func (s Queries) ListProducts(ctx context.Context, q ListProducts) (ProductPage, error) {
	views, err := s.views.List(ctx, q.After, q.Limit+1)
	if err != nil {
		return ProductPage{}, err
	}
	return ProductPage{Products: views[:min(q.Limit, len(views))], More: len(views) > q.Limit}, nil
}

// GetProductAtVersion loads a product as it was at a version.
func (s Queries) GetProductAtVersion(ctx context.Context, q GetProductAtVersion) (View, error) {
	p, err := s.store.LoadVersion(ctx, q.ID, q.Version)
	if err != nil {
		return View{}, err
	}
	return viewOf(p), nil
}

// GetProductHistory reads a page of events of a product.
func (s Queries) GetProductHistory(ctx context.Context, q GetProductHistory) (HistoryPage, error) {
	var page HistoryPage
	for m, err := range eventus.History(ctx, s.store, q.ID, eventus.AfterVersion(q.After)) {
		if err != nil {
			return HistoryPage{}, err
		}
		if len(page.Events) == q.Limit {
			page.More = true
			break
		}
		page.Events = append(page.Events, m)
	}
	if len(page.Events) == 0 && q.After == 0 {
		return HistoryPage{}, fmt.Errorf("product %q: %w", q.ID, eventus.ErrNotFound)
	}
	return page, nil
}
