package main

import (
	"context"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
)

// database is one database with all that the service keeps: events, outbox,
// snapshots, the read model and the position of its consumer. A transaction of
// type Tx spans them.
type database[Tx any] struct {
	events events[Tx]
	views  views[Tx]
	ping   func(context.Context) error
	close  func()
}

type events[Tx any] interface {
	store.Store
	store.Outbox
	store.Snapshots
	store.Identity
	store.Damageable
	consume.Database[Tx]
}

type views[Tx any] interface {
	product.Views
	product.ViewWriter[Tx]
}
