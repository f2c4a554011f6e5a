package eventus_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventus-go/eventus"
	brokers "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/outbox"
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
	store, broker := memory.New(), brokers.New(brokers.Config{})

	// The projection: each event takes effect once, in order.
	handled := make(chan string)
	view := consume.HandlerFunc[*memory.Tx, Event](func(ctx context.Context, tx *memory.Tx, m eventus.Message[Event]) error {
		tx.OnCommit(func() { handled <- fmt.Sprintf("%d %s %+v", m.Version, m.Type, m.Event) })
		return nil
	})
	go outbox.New(store, broker, outbox.Config{}).Run(ctx)
	go consume.New(consume.Idempotent("prices", store, view, consume.Retry{}), Products, broker, consume.RunnerConfig{Log: store}).Run(ctx)

	// The command: load, decide, append. The relay and the broker do the rest.
	products := eventus.NewRepository(store, Products)
	err := products.Update(ctx, "p-1", func(p *Product) error { return p.Create("Widget", 1299) })
	fmt.Println(err, "|", <-handled, "|", <-handled)

	err = products.Update(ctx, "p-1", func(p *Product) error { return p.Reprice(-1) })
	p, _ := products.Load(ctx, "p-1")
	fmt.Println(err, "|", p.Version(), p.State())
	// Output:
	// <nil> | 1 product.created {Name:Widget} | 2 product.repriced {Price:1299}
	// a price is positive | 2 {Widget 1299}
}
