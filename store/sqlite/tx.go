package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
)

// TxStore appends and reads inside a transaction of the caller. It is as safe
// for concurrent use as the transaction: not at all.
type TxStore struct {
	store *Store
	tx    *sql.Tx
}

var (
	_ store.Bound     = (*TxStore)(nil)
	_ store.Snapshots = (*TxStore)(nil)
)

// WithTx returns the store as tx sees it: the caller's rows, their events and
// the outbox rows commit together or not at all. Tx comes from [Store.InTx] or
// from the database that was given to [Open].
//
// An append that returns a [*store.ConflictError], or any other error, has
// written nothing, and tx can be used further, unless SQLite has rolled all of tx
// back, as it does when the disk is full. The error then says so, and tx refuses
// further statements ([sql.ErrTxDone]). [Store.Watch] does not report
// appends in tx, since only the caller knows when it commits.
//
// A transaction of the caller's own is a writer that the store does not know:
// an append outside, called before its commit, waits until busy_timeout is
// over. One that begins with a read and without _txlock=immediate in the data
// source name can fail with SQLITE_BUSY when it appends ([Store.IsTransient]). One
// in which a context has interrupted a statement that writes is over, although
// database/sql does not know it: roll it back.
func (s *Store) WithTx(tx *sql.Tx) *TxStore { return &TxStore{store: s, tx: tx} }

// Append implements [store.Store], except that the events are committed with
// the transaction.
func (t *TxStore) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.CheckAppend(stream, expected, events); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	// An interrupted INSERT makes SQLite roll back the whole transaction behind
	// database/sql's back; what the caller writes next would commit at once.
	ctx = context.WithoutCancel(ctx)
	g := &combine.Group{Stream: stream, Expected: expected, Events: events}
	if err := t.savepoint(ctx, func() error {
		_, err := t.store.appendTo(ctx, t.tx, []*combine.Group{g})
		return err
	}); err != nil {
		return 0, err
	}
	return g.Result()
}

// savepoint undoes what a failed f has written, so that the rest of the
// transaction can still commit.
func (t *TxStore) savepoint(ctx context.Context, f func() error) error {
	if _, err := t.tx.ExecContext(ctx, "SAVEPOINT eventus_append"); err != nil {
		return fmt.Errorf("begin savepoint: %w", err)
	}
	err := f()
	if err != nil {
		if _, gone := t.tx.ExecContext(ctx, "ROLLBACK TO eventus_append"); gone != nil {
			// SQLite has rolled back all of tx, because the disk is full for example.
			// What the caller writes next would commit by itself.
			_ = t.tx.Rollback()
			return fmt.Errorf("the transaction was rolled back: %w", err)
		}
	}
	if _, released := t.tx.ExecContext(ctx, "RELEASE eventus_append"); err == nil && released != nil {
		return fmt.Errorf("release savepoint: %w", released)
	}
	return err
}

// Read implements [store.Reader] and sees the transaction's own appends.
func (t *TxStore) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	return t.store.read(ctx, t.tx.StmtContext(ctx, t.store.statements.read), stream, after, limit)
}

// InTransaction implements [store.Bound]: a repository over this store does not
// retry.
func (t *TxStore) InTransaction() {}
