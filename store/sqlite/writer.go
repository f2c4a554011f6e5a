package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// txKey marks the context of a running transaction of the store's inbox.
type txKey struct{ *Store }

var errInside = errors.New("the context belongs to a transaction of this store, for whose end the call would wait for ever: " +
	"append through WithTx(tx), and do the rest after the commit")

// checkOutside refuses a call that would wait for a transaction that waits for
// the call.
func (s *Store) checkOutside(ctx context.Context) error {
	if ctx.Value(txKey{s}) != nil {
		return errInside
	}
	return ctx.Err()
}

// write runs f in a transaction, as the only writer of this process.
func (s *Store) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := s.checkOutside(ctx); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.transaction(ctx, f)
}

// lockSQL changes nothing. As the first statement of a transaction it takes the
// write lock, also where the data source name lacks _txlock=immediate: a
// transaction that first reads and then writes would fail with SQLITE_BUSY when
// another process has written in between, without waiting for it.
const lockSQL = `DELETE FROM outbox WHERE position = 0`

// transaction runs f in a transaction that can write from the start. It is
// called with writer held.
func (s *Store) transaction(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// It needs no context, and does nothing after a commit.
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.StmtContext(ctx, s.statements.lock).ExecContext(ctx); err != nil {
		return fmt.Errorf("lock database: %w", err)
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // database/sql may say no more than that the transaction is over
		}
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}
