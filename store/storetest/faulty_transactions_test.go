package storetest_test

import (
	"context"

	"github.com/eventus-go/eventus/store/memory"
)

// ownGoroutine runs the function where its Goexit is taken for a return.
type ownGoroutine struct{ *memory.Store }

func (s ownGoroutine) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	return s.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) (err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = f(ctx, tx)
		}()
		<-done
		return err
	})
}

// holdsOn keeps its locks until the function returns.
type holdsOn struct {
	*memory.Store
	turn chan struct{}
}

func (s holdsOn) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	if err := s.Store.InTx(context.WithoutCancel(ctx), f); err != nil {
		return err
	}
	return ctx.Err()
}
