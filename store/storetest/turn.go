package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// baton is what the last transaction left under a lock of the backend. The
// mutex is for the race detector only, so that a backend without the lock fails
// by what it returns.
type baton struct {
	mu sync.Mutex
	n  int64
}

func (b *baton) get() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

func (b *baton) set(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n = n
}

// next checks that n is what the last transaction left, and adds one.
func (b *baton) next(what string, n int64) (int64, error) {
	if left := b.get(); n != left {
		return 0, fmt.Errorf("%s is %d, the transaction before left %d", what, n, left)
	}
	b.set(n + 1)
	return n + 1, nil
}

// takeTurns runs turn in many transactions at once. A turn takes a lock and
// then looks at the baton. A turn that loses its claim is repeated.
func takeTurns[Tx any](t *testing.T, b subject[Tx], turn func(ctx context.Context, tx Tx, worker int) error) {
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for range 25 {
				err := store.ErrClaimLost
				for errors.Is(err, store.ErrClaimLost) {
					err = b.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return turn(ctx, tx, worker) })
				}
				if err != nil {
					t.Errorf("transaction: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// behind runs first, which takes a lock, in one transaction, and second in
// another that starts when first has the lock and is to block until the first
// transaction ends. The first transaction ends with end.
func behind[Tx any](t *testing.T, b subject[Tx], end error, first, second func(ctx context.Context, tx Tx) error) {
	t.Helper()
	held, started, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		<-held
		close(started)
		done <- b.InTx(t.Context(), second)
	}()
	err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		err := first(ctx, tx)
		close(held)
		<-started
		return cmp.Or(err, end)
	})
	if !errors.Is(err, end) {
		t.Errorf("the first transaction: got error %v, want %v", err, end)
	}
	if err := <-done; err != nil {
		t.Errorf("the second transaction: %v", err)
	}
}

// stopsWaiting makes one call in two transactions and ends the context of the
// second while the first holds the lock. The first rolls back.
func stopsWaiting[Tx any](t *testing.T, b subject[Tx], name string, call func(ctx context.Context, tx Tx) error) {
	t.Helper()
	held, release, holder := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		holder <- b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			err := call(ctx, tx)
			close(held)
			<-release
			return cmp.Or(err, errHandler)
		})
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	waiter := make(chan error, 1)
	go func() { waiter <- b.InTx(ctx, call) }()
	cancel() // before, while or after it begins to wait: it must end in any case
	stuck := false
	select {
	case err := <-waiter:
		if err == nil {
			t.Errorf("%s: the second transaction committed while the first had the lock", name)
		}
	case <-time.After(patience):
		stuck = true
	}
	close(release)
	if err := <-holder; !errors.Is(err, errHandler) {
		t.Errorf("%s: the first transaction: got error %v", name, err)
	}
	if stuck {
		<-waiter
		t.Fatalf("%s waits for a lock though its context has ended", name)
	}
}
