package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// consumerOf returns a consumer as the transaction sees it, for the caller to
// change, or nil.
func (tx *Tx) consumerOf(id store.ConsumerID) *store.Consumer {
	if c, ok := tx.consumers[id]; ok {
		return c
	}
	tx.store.mu.RLock()
	defer tx.store.mu.RUnlock()
	c, ok := tx.store.consumers[id]
	if !ok {
		return nil
	}
	cloned := cloneConsumer(c)
	tx.consumers[id] = &cloned
	return &cloned
}

func cloneConsumer(c store.Consumer) store.Consumer {
	c.Categories = slices.Clone(c.Categories)
	c.Segments = slices.Clone(c.Segments)
	c.Members = slices.Clone(c.Members)
	return c
}

// CreateConsumer implements [store.Consumers].
func (s *Store) CreateConsumer(ctx context.Context, tx *Tx, c store.Consumer) (bool, error) {
	if err := s.checkConsumer(ctx, tx, c.ConsumerID); err != nil {
		return false, err
	}
	if tx.consumerOf(c.ConsumerID) != nil {
		return false, nil
	}
	stored := asStored(c)
	tx.consumers[c.ConsumerID] = &stored
	return true, nil
}

// asStored returns a copy of c as a store keeps it.
func asStored(c store.Consumer) store.Consumer {
	c = cloneConsumer(c)
	c.CreatedAt = cutTime(c.CreatedAt)
	for i := range c.Segments {
		c.Segments[i].LeaseUntil = cutTime(c.Segments[i].LeaseUntil)
	}
	for i := range c.Members {
		c.Members[i].Until = cutTime(c.Members[i].Until)
	}
	slices.SortFunc(c.Members, func(a, b store.Member) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

// LockConsumer implements [store.Consumers]. The lock is held already: one
// transaction runs at a time.
func (s *Store) LockConsumer(ctx context.Context, tx *Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	if err := s.checkConsumer(ctx, tx, id); err != nil {
		return store.Consumer{}, time.Time{}, err
	}
	c := tx.consumerOf(id)
	if c == nil {
		return store.Consumer{}, time.Time{}, store.ErrNoConsumer
	}
	return cloneConsumer(*c), now(), nil
}

// SaveConsumer implements [store.Consumers].
func (s *Store) SaveConsumer(ctx context.Context, tx *Tx, c store.Consumer) error {
	if err := s.checkConsumer(ctx, tx, c.ConsumerID); err != nil {
		return err
	}
	if tx.consumerOf(c.ConsumerID) == nil {
		return store.ErrNoConsumer
	}
	stored := asStored(c)
	tx.consumers[c.ConsumerID] = &stored
	return nil
}

// RenameConsumer implements [store.Consumers].
func (s *Store) RenameConsumer(ctx context.Context, tx *Tx, id store.ConsumerID, name string) error {
	if err := cmp.Or(s.checkConsumer(ctx, tx, id), store.CheckConsumer(name)); err != nil {
		return err
	}
	c := tx.consumerOf(id)
	if c == nil {
		return store.ErrNoConsumer
	}
	to := store.ConsumerID{Name: name, Generation: id.Generation}
	if tx.consumerOf(to) != nil {
		return store.ErrConsumerExists
	}
	renamed := cloneConsumer(*c)
	renamed.ConsumerID = to
	tx.consumers[to] = &renamed
	tx.consumers[id] = &store.Consumer{ConsumerID: id, Categories: renamed.Categories, Start: renamed.Start, CreatedAt: renamed.CreatedAt, RenamedTo: name}
	for _, p := range tx.parkedOf(id) {
		tx.rows[parkedKey{id, p.Stream}] = nil
		p.Consumer = to
		tx.rows[parkedKey{to, p.Stream}] = &p
	}
	tx.requests = append(tx.requests, func(r *store.Request) {
		if r.Consumer == id {
			r.Consumer = to
		}
	})
	return nil
}

// DeleteConsumer implements [store.Consumers].
func (s *Store) DeleteConsumer(ctx context.Context, tx *Tx, id store.ConsumerID) error {
	if err := s.checkConsumer(ctx, tx, id); err != nil {
		return err
	}
	tx.consumers[id] = nil
	for _, p := range tx.parkedOf(id) {
		tx.rows[parkedKey{id, p.Stream}] = nil
	}
	return nil
}

// ListConsumers implements [store.Consumers].
func (s *Store) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	for _, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, time.Time{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var consumers []store.Consumer
	for id, c := range s.consumers {
		if len(ids) == 0 || slices.Contains(ids, id) {
			consumers = append(consumers, cloneConsumer(c))
		}
	}
	slices.SortFunc(consumers, func(a, b store.Consumer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Generation, b.Generation))
	})
	return consumers, now(), nil
}

// Advance implements [store.Consumers].
func (s *Store) Advance(ctx context.Context, tx *Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	if err := s.checkConsumer(ctx, tx, claim.Consumer); err != nil {
		return err
	}
	c := tx.consumerOf(claim.Consumer)
	if c == nil || claim.Segment < 0 || claim.Segment >= len(c.Segments) {
		return store.ErrClaimLost
	}
	segment := &c.Segments[claim.Segment]
	if segment.Epoch != claim.Epoch || segment.Position != claim.Position {
		return store.ErrClaimLost
	}
	segment.Progress = to
	segment.LeaseUntil = cutTime(now().Add(lease))
	return nil
}

// checkConsumer tells whether tx may be used now, for the consumer.
func (s *Store) checkConsumer(ctx context.Context, tx *Tx, id store.ConsumerID) error {
	if err := store.CheckConsumerID(id); err != nil {
		return err
	}
	return s.check(ctx, tx, id.Name)
}

// now is the store's clock.
func now() time.Time { return cutTime(time.Now()) }
