package main

import (
	"context"

	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
)

// database is one database with all that the service keeps: events and outbox,
// inbox, read model. A transaction of type Tx spans them.
type database[Tx any] struct {
	events events[Tx]
	views  views[Tx]
	ping   func(context.Context) error
	close  func()
}

type events[Tx any] interface {
	store.Store
	store.Log
	store.Outbox
	store.Snapshots
	store.Inbox[Tx]
}

type views[Tx any] interface {
	product.Views
	product.ViewWriter[Tx]
}
