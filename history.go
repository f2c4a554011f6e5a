package eventus

import (
	"context"
	"fmt"
	"iter"
)

// History yields the messages of one aggregate in the order of their versions,
// typed as its definition's events. It yields none for an id without events,
// and at most one error, as its last pair. Between pages it holds nothing of
// the store, so the loop body may take its time.
//
//	for m, err := range eventus.History(ctx, products, id) { ... }
func History[S any, E Event[S], A Root[S, E]](ctx context.Context, r *Repository[A], id string, opts ...HistoryOption) iter.Seq2[Message[E], error] {
	var o historyOptions
	for _, opt := range opts {
		opt(&o)
	}
	events := r.events.(*EventTable[E])
	stream := events.Stream(id)
	return func(yield func(Message[E], error) bool) {
		after := o.after
		for {
			page, err := r.store.Read(ctx, stream, after, pageSize)
			if err != nil {
				yield(Message[E]{}, fmt.Errorf("history of %w", describe(stream, err)))
				return
			}
			for i := range page {
				m, _, err := events.Decode(page[i])
				if err != nil {
					yield(Message[E]{}, fmt.Errorf("history of %w", err))
					return
				}
				if !yield(m, nil) {
					return
				}
				after = m.Version
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}
