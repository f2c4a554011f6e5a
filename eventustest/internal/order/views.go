package order

import (
	"context"
	"sync"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store/memory"
)

// View is an order as the read model has it.
type View struct {
	Customer string
	Lines    int
	Total    int64
	Notes    int
	Placed   bool
	Changes  int
}

// Views is the read model. It is safe for concurrent use.
type Views struct {
	mu   sync.Mutex
	rows map[string]View
}

// NewViews returns an empty read model.
func NewViews() *Views { return &Views{rows: make(map[string]View)} }

// Get returns the row of an order.
func (v *Views) Get(_ context.Context, id string) (View, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	row, ok := v.rows[id]
	if !ok {
		return View{}, eventus.ErrNotFound
	}
	return row, nil
}

// Handle applies the event of m to the order's row.
func (v *Views) Handle(_ context.Context, tx *memory.Tx, m eventus.Message[Event]) error {
	id := m.Stream.ID
	tx.OnCommit(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		row := v.rows[id]
		row.Changes++
		switch e := m.Event.(type) {
		case Opened:
			row.Customer = e.Customer
		case LineAdded:
			row.Lines++
			row.Total += e.Line.Price * e.Line.Quantity
		case Noted, Edited:
			row.Notes++
		case Placed:
			row.Placed = true
		}
		v.rows[id] = row
	})
	return nil
}

// Reset empties the read model.
func (v *Views) Reset(_ context.Context, tx *memory.Tx) error {
	tx.OnCommit(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.rows = make(map[string]View)
	})
	return nil
}
