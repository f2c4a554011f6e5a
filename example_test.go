package eventus_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store/memory"
)

// The state, and the events that make it.

type State struct {
	Name  string
	Price int
}

type Event interface{ eventus.Event[State] }

type Created struct{ Name string }
type Repriced struct{ Price int }

func (e Created) Apply(s *State)  { s.Name = e.Name }
func (e Repriced) Apply(s *State) { s.Price = e.Price }

// The aggregate decides.

type Product struct {
	eventus.Aggregate[State, Event]
}

var (
	errExists = errors.New("exists already")
	errPrice  = errors.New("a price is positive")
)

func (p *Product) Create(name string, price int) error {
	switch {
	case p.Version() > 0:
		return errExists
	case price <= 0:
		return errPrice
	}
	p.Record(Created{name})
	p.Record(Repriced{price})
	return nil
}

func (p *Product) Reprice(price int) error {
	if price <= 0 {
		return errPrice
	}
	p.Record(Repriced{price})
	return nil
}

var Products = eventus.Define("product", eventus.New[Product],
	eventus.Type[Created]("product.created"),
	eventus.Type[Repriced]("product.repriced"),
)

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := memory.New()

	// The read model: each event takes effect once, in order.
	view := func(ctx context.Context, tx *memory.Tx, m eventus.Message[Event]) error {
		tx.OnCommit(func() { fmt.Printf("%d %s %+v\n", m.Version, m.Type, m.Event) })
		return nil
	}
	prices := consume.Follow("prices", store, consume.Config{}, consume.On(Products, view))
	go prices.Run(ctx)

	// The command: load, decide, append.
	products := eventus.NewRepository(store, Products)
	_, err := products.Update(ctx, "p-1", func(p *Product) error { return p.Create("Widget", 1299) })
	fmt.Println(err, prices.Wait(ctx, Products.Stream("p-1"), 2)) // until the read model shows it

	_, err = products.Update(ctx, "p-1", func(p *Product) error { return p.Reprice(-1) })
	p, _ := products.Load(ctx, "p-1")
	fmt.Println(err, "|", p.Version(), p.State())
	// Output:
	// 1 product.created {Name:Widget}
	// 2 product.repriced {Price:1299}
	// <nil> <nil>
	// a price is positive | 2 {Widget 1299}
}
