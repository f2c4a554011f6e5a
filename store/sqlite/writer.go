package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// txKey marks the context of a running transaction of the store.
type txKey struct{ *Store }

var errInside = errors.New("the context belongs to a transaction of this store, and the call would wait for that to end: " +
	"append through WithTx(tx), and do the rest after the commit")

// checkOutside refuses a call that would wait for a transaction that waits for
// the call.
func (s *Store) checkOutside(ctx context.Context) error {
	if ctx.Value(txKey{s}) != nil {
		return errInside
	}
	return ctx.Err()
}

// takeTurn makes the caller the only writer of this process, until it calls
// endTurn.
func (s *Store) takeTurn(ctx context.Context) error {
	if err := s.checkOutside(ctx); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) endTurn() {
	s.boundWAL()
	<-s.writer
}

// write runs f in a transaction, as the only writer of this process.
func (s *Store) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	defer s.endTurn()
	return s.transaction(ctx, f)
}

// transaction runs f in a transaction that can write from the start. It is
// called with writer held.
func (s *Store) transaction(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, wait, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer wait()
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return &commitError{err}
	}
	return nil
}

// commitError is the error of a commit. What was written may be in the file.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit transaction: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// lockSQL changes nothing. As the first statement of a transaction it takes the
// write lock, also where the data source name lacks _txlock=immediate: a
// transaction that first reads and then writes would fail with SQLITE_BUSY when
// another process has written in between, without waiting for it.
const lockSQL = `DELETE FROM outbox WHERE position = 0`

// begin returns a transaction that holds the write lock, and a function that
// waits until it is over and its lock released. Rollback alone does not: it
// returns at once when somebody else is rolling back.
//
// From then on the transaction does not follow ctx: the caller rolls it back.
func (s *Store) begin(ctx context.Context) (tx *sql.Tx, wait func(), err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("begin transaction: %w", err)
	}
	wait = func() { _ = conn.Close() } // blocks while a transaction uses conn
	if tx, err = s.beginOn(ctx, conn); err != nil {
		wait()
		return nil, nil, fmt.Errorf("begin transaction: %w", cmp.Or(ctx.Err(), err))
	}
	return tx, wait, nil
}

func (s *Store) beginOn(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	starting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	tx, err := conn.BeginTx(starting, nil)
	if err != nil {
		return nil, err
	}
	if stop() {
		_, err = tx.StmtContext(ctx, s.statements.lock).ExecContext(ctx)
	} else {
		err = ctx.Err()
	}
	if err != nil {
		_ = tx.Rollback()
		return nil, err
	}
	return tx, nil
}
