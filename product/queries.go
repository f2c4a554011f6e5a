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

// Queries holds the handler of each query. All return [eventus.ErrNotFound] for
// a product that is not there.
type Queries struct {
	GetProductByID      eventus.QueryHandler[GetProductByID, View]
	ListProducts        eventus.QueryHandler[ListProducts, ProductPage]
	GetProductAtVersion eventus.QueryHandler[GetProductAtVersion, View]
	GetProductHistory   eventus.QueryHandler[GetProductHistory, HistoryPage]
}

// Waiter returns when the read model shows a version of a stream. A
// consume.Follower is one.
type Waiter interface {
	Wait(ctx context.Context, stream eventus.Stream, version int64) error
}

// NewQueries returns handlers that answer from the read model what is asked
// often, and from the store what only the store has. The waiter is the consumer
// that writes the read model.
func NewQueries(views Views, waiter Waiter, products *eventus.Repository[*Product]) Queries {
	a := answers{views, waiter, products}
	return Queries{
		GetProductByID:      eventus.QueryHandlerFunc[GetProductByID, View](a.productByID),
		ListProducts:        eventus.QueryHandlerFunc[ListProducts, ProductPage](a.products),
		GetProductAtVersion: eventus.QueryHandlerFunc[GetProductAtVersion, View](a.productAtVersion),
		GetProductHistory:   eventus.QueryHandlerFunc[GetProductHistory, HistoryPage](a.history),
	}
}

type answers struct {
	views  Views
	waiter Waiter
	store  *eventus.Repository[*Product]
}

func (a answers) productByID(ctx context.Context, q GetProductByID) (View, error) {
	if q.MinVersion > 0 {
		if err := a.waiter.Wait(ctx, Products.Stream(q.ID), q.MinVersion); err != nil {
			return View{}, err
		}
	}
	return a.views.Get(ctx, q.ID)
}

func (a answers) products(ctx context.Context, q ListProducts) (ProductPage, error) {
	views, err := a.views.List(ctx, q.After, q.Limit+1)
	if err != nil {
		return ProductPage{}, err
	}
	return ProductPage{Products: views[:min(q.Limit, len(views))], More: len(views) > q.Limit}, nil
}

func (a answers) productAtVersion(ctx context.Context, q GetProductAtVersion) (View, error) {
	p, err := a.store.LoadVersion(ctx, q.ID, q.Version)
	if err != nil {
		return View{}, err
	}
	return viewOf(p), nil
}

func (a answers) history(ctx context.Context, q GetProductHistory) (HistoryPage, error) {
	var page HistoryPage
	for m, err := range eventus.History(ctx, a.store, q.ID, eventus.AfterVersion(q.After)) {
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
