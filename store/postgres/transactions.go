package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// rollbackTimeout bounds a rollback, which must not hang on the context that
	// has ended.
	rollbackTimeout = 5 * time.Second

	// idleMargin is how much later than its client the server ends a transaction:
	// a client that is alive comes first and gets the error of its context.
	idleMargin = time.Second
)

// With synchronous_commit off, a crash would lose what a broker was told to be
// done.
const beginSQL = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`

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
// The transaction is not f's to end. Commit and Rollback of tx return an error,
// and InTx then rolls back and returns an error that is not [Store.IsTransient].
//
// One connection of the pool is always left for what f does outside of tx, such
// as an append: of more transactions at a time than that, some wait.
//
// When ctx ends while f runs, InTx closes the connection, so that the server
// cancels the statement that runs in tx and rolls back. InTx still returns only
// after f has returned, but the connection's place in the pool is free before
// that.
//
// If ctx has a deadline, the server does the same by itself: it ends a session
// that waits for the next statement of f for longer than the time left at the
// beginning and a second (idle_in_transaction_session_timeout). So a process that
// is stopped, or whose host is gone, keeps its locks for that time only. The
// setting does not cover a process that is stopped while it writes a pipelined
// batch to the connection.
func (s *Store) InTx(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) error {
	select {
	case s.transactions <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	leave := sync.OnceFunc(func() { <-s.transactions })
	defer leave()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer conn.Release()
	tx, err := begin(ctx, conn.Conn())
	if err != nil {
		return fmt.Errorf("begin transaction: %w", standbyError(err))
	}
	stop := closeAtEnd(ctx, conn, leave)
	defer func() {
		stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // it does nothing after a commit
	}()
	lent := &lentTx{Tx: tx}
	if err := f(context.WithValue(ctx, txKey{s}, lent), lent); err != nil {
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
// An f that never returns must not keep a connection from others: its place in the
// pool is given back, and leave is called.
func closeAtEnd(ctx context.Context, pooled *pgxpool.Conn, leave func()) (stop func() bool) {
	conn := pooled.Conn().PgConn()
	closed := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		// The connection of the network, because nothing else of pgx may be used
		// while f uses it. When that breaks under a statement, pgx has the server
		// cancel the statement.
		_ = conn.Conn().Close()
		pooled.Hijack()
		leave()
		close(closed)
	})
	return sync.OnceValue(func() bool {
		if stopped() {
			return true
		}
		<-closed
		return false
	})
}

// txKey marks the context of a running transaction of the store.
type txKey struct{ *Store }

// lentTx is a transaction that its user cannot end.
type lentTx struct {
	pgx.Tx
	ended bool

	mu       sync.Mutex
	appended map[store.Stream]bool
}

// noteAppended notes that tx has appended to a stream and keeps its lock, if tx
// comes from InTx.
func noteAppended(tx pgx.Tx, stream store.Stream) {
	lent, ok := tx.(*lentTx)
	if !ok {
		return
	}
	lent.mu.Lock()
	defer lent.mu.Unlock()
	if lent.appended == nil {
		lent.appended = make(map[store.Stream]bool)
	}
	lent.appended[stream] = true
}

// checkOutside refuses an append that would wait for a transaction that waits for
// the append.
func (s *Store) checkOutside(ctx context.Context, stream store.Stream) error {
	lent, ok := ctx.Value(txKey{s}).(*lentTx)
	if !ok {
		return nil
	}
	lent.mu.Lock()
	defer lent.mu.Unlock()
	if lent.appended[stream] {
		return fmt.Errorf("%s: the transaction of this context has appended to it, and the call would wait for its end: append through WithTx(tx), or after the commit", stream)
	}
	return nil
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
