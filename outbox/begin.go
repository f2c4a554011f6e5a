package outbox

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// begin learns from the store where the relay stands, and claims the categories
// that are known.
func (r *Relay) begin(ctx context.Context) (err error) {
	if identity, ok := r.outbox.(store.Identity); ok {
		if r.history, err = identity.History(ctx); err != nil {
			return err
		}
	}
	published, err := r.outbox.Published(ctx)
	if err != nil {
		return err
	}
	for _, category := range r.cfg.Categories {
		if err := r.claim(ctx, category); err != nil {
			return err
		}
	}
	for _, p := range published {
		if err := r.claim(ctx, p.Topic); err != nil {
			return err
		}
	}
	return nil
}

// claim makes sure that the category is this store's at the broker.
func (r *Relay) claim(ctx context.Context, category string) error {
	if r.owner == nil || r.history == "" || r.claimed[category] {
		return nil
	}
	if err := r.owner.Claim(ctx, category, r.history); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	r.claimed[category] = true
	return nil
}

// claimAll claims the categories of a page, and compares those that are new with
// the broker, as the audit has compared the others.
func (r *Relay) claimAll(ctx context.Context, page []store.Outgoing) error {
	for i := range page {
		category := page[i].Stream.Category
		if r.known[category] {
			continue
		}
		if err := r.claim(ctx, category); err != nil {
			return err
		}
		if r.auditor != nil {
			if err := r.auditTopic(ctx, category); err != nil {
				return err
			}
		}
		r.known[category] = true
	}
	return nil
}
