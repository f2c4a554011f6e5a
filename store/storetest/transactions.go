package storetest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

// patience bounds how long a clause waits for a lock that should be free, so
// that a backend that keeps it fails instead of hanging. A correct backend
// never waits that long.
const patience = 10 * time.Second

// transactionClauses are about InTx itself, whatever is kept in it.
func transactionClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"InTx commits a handler's writes when the function returns nil, and rolls them back when it returns an error", func(t *testing.T, b subject[Tx]) {
			for _, end := range []struct {
				err  error
				want string
			}{{errHandler, ""}, {nil, "value"}} {
				err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
					if err := b.Put(ctx, tx, "key", "value"); err != nil {
						t.Errorf("put: %v", err)
					}
					return end.err
				})
				if err != end.err {
					t.Fatalf("got error %v, want the function's own: %v", err, end.err)
				}
				mustHave(t, b, "key", end.want)
			}
		}},
		{"runtime.Goexit in the function rolls back and goes on", func(t *testing.T, b subject[Tx]) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
					if err := b.Put(ctx, tx, "key", "lost"); err != nil {
						t.Errorf("put: %v", err)
					}
					runtime.Goexit()
					return nil
				})
				t.Errorf("InTx returned (error %v) instead of letting Goexit go on", err)
			}()
			<-done
			mustHave(t, b, "key", "")
			mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.Put(ctx, tx, "key", "the store is usable") })
			mustHave(t, b, "key", "the store is usable")
		}},
		{"a transaction whose context has ended already does not run its function", func(t *testing.T, b subject[Tx]) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := b.InTx(ctx, func(context.Context, Tx) error {
				t.Error("the function was run")
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want context.Canceled", err)
			}
		}},
		{"when the context ends, InTx rolls back and releases its locks while the function still runs", func(t *testing.T, b subject[Tx]) {
			if b.Consumers != nil {
				mustCreate(t, b, newConsumer(board, 1))
			}
			ctx, cancel := context.WithCancel(t.Context())
			err := b.InTx(ctx, func(ctx context.Context, tx Tx) error {
				if err := hold(ctx, b, tx, "lost"); err != nil {
					t.Errorf("the first transaction: %v", err)
				}
				cancel()
				next, stop := context.WithTimeout(t.Context(), patience)
				defer stop()
				if err := b.InTx(next, func(ctx context.Context, tx Tx) error { return hold(ctx, b, tx, "kept") }); err != nil {
					t.Errorf("the next transaction, while the function of the first still runs: %v", err)
				}
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want context.Canceled", err)
			}
			mustHave(t, b, "key", "kept")
			if b.Consumers != nil {
				equal(t, "start", mustLock(t, b, board).Start, "kept")
			}
		}},
	}
}

// hold takes locks and changes what they protect.
func hold[Tx any](ctx context.Context, b subject[Tx], tx Tx, value string) error {
	if err := b.Put(ctx, tx, "key", value); err != nil || b.Consumers == nil {
		return err
	}
	c, _, err := b.LockConsumer(ctx, tx, board)
	if err != nil {
		return err
	}
	c.Start = value
	return b.SaveConsumer(ctx, tx, c)
}

// mustUse runs f in a transaction that is rolled back, for calls whose results
// are all that matters.
func mustUse[Tx any](t tester, b subject[Tx], f func(ctx context.Context, tx Tx)) {
	t.Helper()
	err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		f(ctx, tx)
		return errHandler
	})
	if !errors.Is(err, errHandler) {
		t.Fatalf("transaction: got error %v, want the function's own", err)
	}
}
