package product

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus"
)

// Projection says what each event means for product_views. Its writes commit
// together with the consumer's position, so it need not ask whether it has seen
// the event before.
type Projection[Tx any] struct {
	views ViewWriter[Tx]
}

// NewProjection returns the projection that writes to views.
func NewProjection[Tx any](views ViewWriter[Tx]) Projection[Tx] {
	return Projection[Tx]{views}
}

// Handle applies the event of m to the product's row.
func (p Projection[Tx]) Handle(ctx context.Context, tx Tx, m eventus.Message[Event]) error {
	id := m.Stream.ID
	switch e := m.Event.(type) {
	case Created:
		return p.views.Insert(ctx, tx, id, m.Version, e.Name, e.Price)
	case Renamed:
		return p.views.SetName(ctx, tx, id, m.Version, e.Name)
	case Repriced:
		return p.views.SetPrice(ctx, tx, id, m.Version, e.Price)
	case Discontinued:
		return p.views.SetDiscontinued(ctx, tx, id, m.Version)
	default:
		return fmt.Errorf("product_views: no column for %s", m.Type)
	}
}

// Reset empties the read model. A rebuild calls it before the first event.
func (p Projection[Tx]) Reset(ctx context.Context, tx Tx) error { return p.views.Clear(ctx, tx) }
