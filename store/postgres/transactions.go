package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// rollbackTimeout bounds a rollback, which must not hang on the context that
	// has ended, and a cancel request.
	rollbackTimeout = 5 * time.Second

	// idleMargin is how much later than its client the server ends a transaction:
	// a client that is alive comes first and gets the error of its context.
	idleMargin = time.Second
)

const beginSQL = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`

// begin starts the transaction of [Store.InTx] in one round trip. Without
// arguments pgx uses the simple protocol, which takes several statements.
func begin(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	query := beginSQL
	if deadline, ok := ctx.Deadline(); ok {
		left := min(max(time.Until(deadline), 0)+idleMargin, math.MaxInt32*time.Millisecond)
		query += fmt.Sprintf("; SET LOCAL idle_in_transaction_session_timeout = %d", left.Milliseconds())
	}
	return conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: query})
}

// InTx implements [store.Transactions], at READ COMMITTED. The store's other
// methods can be used inside f; they take a connection of their own and do not
// see what tx has written. See [Store.WithTx] for appends.
//
// Commit and Rollback of tx do nothing but make InTx fail and roll back: the
// transaction is not f's to end.
//
// When ctx ends while f runs, InTx closes the connection, and the server cancels
// the statement that runs in tx and rolls back. InTx still returns only when f
// has returned. If ctx has a deadline, the server ends the session by itself a
// second later (idle_in_transaction_session_timeout), so that a process that is
// stopped between two statements, or whose host is gone, does not keep its locks.
func (s *Store) InTx(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer conn.Release()
	tx, err := begin(ctx, conn.Conn())
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	stop := closeAtEnd(ctx, conn.Conn().PgConn())
	defer func() {
		stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // it does nothing after a commit
	}()
	lent := &lentTx{Tx: tx}
	if err := f(ctx, lent); err != nil {
		return err
	}
	if !stop() {
		return ctx.Err()
	}
	if lent.ended || conn.Conn().PgConn().TxStatus() == 'I' {
		return errNotYours
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// closeAtEnd closes the connection when ctx ends, unless the returned function
// was called before. That function reports whether the connection is still open.
func closeAtEnd(ctx context.Context, conn *pgconn.PgConn) (stop func() bool) {
	closed := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		// The connection of the network, because nothing else of pgx may be used
		// while f uses it.
		_ = conn.Conn().Close()
		close(closed)
		// The server does not look at the connection while a statement runs.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = conn.CancelRequest(ctx)
	})
	return sync.OnceValue(func() bool {
		if stopped() {
			return true
		}
		<-closed
		return false
	})
}

// lentTx is a transaction that its user cannot end.
type lentTx struct {
	pgx.Tx
	ended bool
}

var errNotYours = errors.New("the transaction was committed or rolled back inside: return nil to commit it, an error to roll it back, or use a savepoint (tx.Begin)")

// Commit implements [pgx.Tx].
func (tx *lentTx) Commit(context.Context) error {
	tx.ended = true
	return errNotYours
}

// Rollback implements [pgx.Tx].
func (tx *lentTx) Rollback(context.Context) error {
	tx.ended = true
	return errNotYours
}
