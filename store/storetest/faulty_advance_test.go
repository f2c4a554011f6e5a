package storetest_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

type forgetsTrying struct{ *memory.Store }

func (s forgetsTrying) Advance(ctx context.Context, tx *memory.Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	to.Trying, to.Tries = 0, 0
	return s.Store.Advance(ctx, tx, claim, to, lease)
}

// fixedLease extends every lease by the same time.
type fixedLease struct{ *memory.Store }

func (s fixedLease) Advance(ctx context.Context, tx *memory.Tx, claim store.Claim, to store.Progress, _ time.Duration) error {
	return s.Store.Advance(ctx, tx, claim, to, time.Minute)
}

type deafAdvance struct{ *memory.Store }

func (s deafAdvance) Advance(ctx context.Context, tx *memory.Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	return s.Store.Advance(context.WithoutCancel(ctx), tx, claim, to, lease)
}

// trusting does not compare a part of the claim.
type trusting struct {
	*memory.Store
	forget func(claim *store.Claim, segment store.Segment)
}

func (s trusting) Advance(ctx context.Context, tx *memory.Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	c, _, err := s.LockConsumer(ctx, tx, claim.Consumer)
	if err == nil && claim.Segment >= 0 && claim.Segment < len(c.Segments) {
		s.forget(&claim, c.Segments[claim.Segment])
	}
	return s.Store.Advance(ctx, tx, claim, to, lease)
}

func anyEpoch(claim *store.Claim, segment store.Segment)    { claim.Epoch = segment.Epoch }
func anyPosition(claim *store.Claim, segment store.Segment) { claim.Position = segment.Position }

// early looks at the consumers when a transaction asks for its turn, as a
// snapshot that is taken before the wait for a lock.
type early struct {
	*memory.Store
	views sync.Map // of consumers, by transaction
}

func (s *early) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	view, _, err := s.ListConsumers(ctx)
	if err != nil {
		return err
	}
	runtime.Gosched() // gives others the time to commit
	return s.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		s.views.Store(tx, view)
		return f(ctx, tx)
	})
}

// see returns the consumer as it was then.
func (s *early) see(tx *memory.Tx, id store.ConsumerID) (store.Consumer, bool) {
	view, _ := s.views.Load(tx)
	consumers := view.([]store.Consumer)
	i := slices.IndexFunc(consumers, func(c store.Consumer) bool { return c.ConsumerID == id })
	if i < 0 {
		return store.Consumer{}, false
	}
	return consumers[i], true
}

type earlyLock struct{ *early }

func (s earlyLock) LockConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	locked, now, err := s.Store.LockConsumer(ctx, tx, id)
	if c, ok := s.see(tx, id); ok {
		locked = c
	}
	return locked, now, err
}

// earlyAdvance compares the claim with what it saw, and updates by the key.
type earlyAdvance struct{ *early }

func (s earlyAdvance) Advance(ctx context.Context, tx *memory.Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	seen, ok := s.see(tx, claim.Consumer)
	if !ok || claim.Segment < 0 || claim.Segment >= len(seen.Segments) {
		return store.ErrClaimLost
	}
	if at := seen.Segments[claim.Segment]; at.Epoch != claim.Epoch || at.Position != claim.Position {
		return store.ErrClaimLost
	}
	c, _, err := s.LockConsumer(ctx, tx, claim.Consumer)
	if errors.Is(err, store.ErrNoConsumer) || err == nil && claim.Segment >= len(c.Segments) {
		return nil // no row is updated, and nobody counts
	}
	if err != nil {
		return err
	}
	claim.Epoch, claim.Position = c.Segments[claim.Segment].Epoch, c.Segments[claim.Segment].Position
	return s.Store.Advance(ctx, tx, claim, to, lease)
}
