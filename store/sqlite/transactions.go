package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// InTx implements [store.Transactions]. The transaction holds SQLite's write
// lock from the start, so that all other writers wait for it: keep f short.
//
// Inside f, the store's methods that write fail when they are given f's context,
// because they would wait for f's own end; those that take tx, and the store of
// [Store.WithTx], are the ones to use.
//
// When ctx ends while f runs, tx refuses every further statement, then f's
// context ends, and the lock is free as soon as the statement in hand is over. A
// statement that f runs with another context than its own is not interrupted.
//
// SQLite rolls the whole transaction back when a context interrupts a statement
// that writes. When that is not f's own context but a shorter one, tx does not
// know it, and what f writes after that commits at once, by itself. So f must
// return the error of such a statement. When it does not, the store's methods
// that write refuse tx, and InTx returns an error.
//
// The transaction is not f's to end. When f commits or rolls it back, all of it is
// rolled back, and InTx returns an error.
func (s *Store) InTx(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	endTurn := sync.OnceFunc(s.endTurn)
	defer endTurn()
	tx, wait, err := s.begin(ctx)
	if err != nil {
		return err
	}
	inner := &txContext{Context: context.WithValue(ctx, txKey{s}, true), done: make(chan struct{})}
	end := sync.OnceFunc(func() {
		closeTx(tx)
		inner.end()
		wait()
		endTurn()
	})
	defer end()
	stop := context.AfterFunc(ctx, end)
	defer stop()
	if _, err := tx.ExecContext(inner, beginTxSQL+guardSQL); err != nil {
		return fmt.Errorf("begin savepoint of the transaction: %w", cmp.Or(ctx.Err(), err))
	}
	if err := f(inner, tx); err != nil {
		if _, ended := tx.ExecContext(inner, checkTxSQL); errors.Is(ended, sql.ErrTxDone) && ctx.Err() == nil {
			return notYours(err)
		}
		return err
	}
	if !stop() {
		return fmt.Errorf("the transaction was rolled back: %w", ctx.Err())
	}
	if _, err := tx.ExecContext(inner, unguardSQL); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("commit transaction: %w", err)
	}
	switch err := tx.Commit(); {
	case errors.Is(err, sql.ErrTxDone):
		return notYours(err)
	case err != nil:
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// While f runs, a temporary table breaks a foreign key that SQLite checks at the
// commit. So f cannot commit what belongs to InTx, on a connection that has
// foreign_keys on, as [DSN] sets it.
const (
	guardSQL = `; CREATE TEMP TABLE IF NOT EXISTS eventus_guard (id INTEGER PRIMARY KEY,
	breaks INTEGER REFERENCES eventus_guard (id) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO temp.eventus_guard VALUES (1, 2)`
	unguardSQL = `DELETE FROM temp.eventus_guard`
)

func notYours(err error) error {
	return fmt.Errorf("the transaction belongs to InTx, which commits it when f returns nil: do not end it inside f: %w", err)
}

// closeTx starts to roll tx back, and returns when tx refuses statements. It does
// not wait for the statement in hand. Of two calls of Rollback, the one that
// comes second returns at once.
func closeTx(tx *sql.Tx) {
	refused := make(chan struct{}, 2)
	for range 2 {
		go func() {
			_ = tx.Rollback()
			refused <- struct{}{}
		}()
	}
	<-refused
}

// txContext is the context of a running transaction. It does not end with its
// parent, but by end: if it did, it could interrupt a statement, and so roll back
// the transaction, before tx refuses further statements. What f writes in
// between would commit by itself.
type txContext struct {
	context.Context
	done chan struct{}
	err  error // read after done is closed
}

func (c *txContext) end() {
	if c.err = c.Context.Err(); c.err == nil {
		c.err = context.Canceled
	}
	close(c.done)
}

func (c *txContext) Done() <-chan struct{} { return c.done }

func (c *txContext) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// The savepoint is gone when SQLite has rolled back behind database/sql's back.
const (
	beginTxSQL = `SAVEPOINT eventus_tx`
	checkTxSQL = `RELEASE eventus_tx; SAVEPOINT eventus_tx`
)

// checkTx refuses a transaction that did not come from InTx or is no longer one.
// Otherwise a row could commit without the writes that it stands for.
func checkTx(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, checkTxSQL); err != nil {
		return fmt.Errorf("the transaction is not one of InTx, or an interrupted statement has rolled it back: %w", err)
	}
	return nil
}

// Primary result codes, https://www.sqlite.org/rescode.html.
const (
	codeBusy     = 5 // another writer held the lock longer than busy_timeout
	codeLocked   = 6 // the same, within one connection or shared cache
	codeNoMemory = 7
	codeIO       = 10
	codeFull     = 13 // the disk is full: the operator's trouble, not the message's
	codeCantOpen = 14 // for example, no file descriptors left
	codeProtocol = 15 // lost too many races for the WAL's locks
)

// IsTransient implements [store.Transactions]. It knows errors by their SQLite result
// code, which drivers give by a method Code.
//
// The end of a context is not transient, even while a statement waited for a
// lock: an error like that does not tell the database from the handler's other
// work, and who set the deadline knows better.
func (s *Store) IsTransient(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return true
	}
	switch resultCode(err) {
	case codeBusy, codeLocked, codeNoMemory, codeIO, codeFull, codeCantOpen, codeProtocol:
		return true
	}
	return false
}

// resultCode returns the primary result code in err, 0 when there is none.
// Extended codes keep the primary one in their low byte.
func resultCode(err error) int {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	return 0
}
