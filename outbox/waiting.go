package outbox

import (
	"context"

	"github.com/eventus-go/eventus/store"
)

// findWaiting looks for messages that are still in the outbox, although later ones
// of their place were published: because they are refused, or wait for one that
// is, or were readmitted. A repair leaves them to the outbox, and with them what
// follows in their stream. Mostly there are none.
func (r *Relay) findWaiting(ctx context.Context) error {
	r.waiting, r.waitingAt = make(map[store.Stream]int64), make(map[string]int64)
	var to int64
	for _, p := range r.places {
		to = max(to, p.Position)
	}
	for after := int64(0); after < to; {
		page, err := r.outbox.Refused(ctx, after, r.cfg.BatchSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			r.waits(&page[i].Message)
		}
		after = page[len(page)-1].Position
	}
	for after := r.after; after < to; {
		page, next, err := r.outbox.Unpublished(ctx, after, r.cfg.BatchSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			r.waits(&page[i].Message)
		}
		after = next
	}
	return nil
}

func (r *Relay) waits(m *store.Message) {
	if first, ok := r.waiting[m.Stream]; !ok || m.Position < first {
		r.waiting[m.Stream] = m.Position
	}
	place := r.auditor.Place(m.Stream.Category, m.Stream.ID)
	if first, ok := r.waitingAt[place]; !ok || m.Position < first {
		r.waitingAt[place] = m.Position
	}
}
