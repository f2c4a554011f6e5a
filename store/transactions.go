package store

import "context"

// Transactions runs work in transactions of the database that handlers write
// to. Tx is that database's transaction: pgx.Tx, *sql.Tx, *memory.Tx.
type Transactions[Tx any] interface {
	// InTx runs f in a transaction that can write. It commits when f returns
	// nil. When f returns an error, InTx rolls back and returns that error as it
	// is. When f panics or calls runtime.Goexit, InTx rolls back and lets it go
	// on. The context given to f is the one to use inside.
	//
	// InTx runs f at most once, so f may leave results in variables around it.
	// To try again after an error, call InTx again.
	//
	// When ctx ends, the transaction is rolled back and its locks are released,
	// even if f has not returned.
	InTx(ctx context.Context, f func(ctx context.Context, tx Tx) error) error

	// IsTransient reports whether err, from this database or from a handler's use
	// of the transaction, tells of passing trouble with the database (a lost
	// connection, a lock timeout, a deadlock, a restart), so that the same work
	// may succeed later. Such an error never counts against a message.
	IsTransient(err error) bool
}
