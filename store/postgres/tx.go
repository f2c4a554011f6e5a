package postgres

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TxStore appends and reads inside a transaction of the caller. It is as safe
// for concurrent use as the transaction: not at all.
type TxStore struct {
	store *Store
	tx    pgx.Tx
}

var (
	_ store.Bound     = (*TxStore)(nil)
	_ store.Snapshots = (*TxStore)(nil)
)

// WithTx returns the store as tx sees it: the caller's rows, their events and
// the outbox rows commit together or not at all. Tx comes from [Store.InTx] or
// from any connection to the store's database.
//
// An append that returns a [*store.ConflictError], or any other error but a lost
// connection, has written nothing, and tx can be used further. [Store.Watch] does
// not report appends in tx, since only the caller knows when it commits.
//
// From an append to its end, tx makes other appenders of the stream wait, and
// readers of the log stop before its positions: commit soon. Transactions that
// append to several streams in different orders can deadlock; PostgreSQL then
// picks one, and its append is a conflict.
//
// At REPEATABLE READ and SERIALIZABLE, tx does not see what others have committed
// since its snapshot. An append after theirs is a conflict, with [store.Any] too,
// and stays one until tx is begun anew.
func (s *Store) WithTx(tx pgx.Tx) *TxStore { return &TxStore{store: s, tx: tx} }

const (
	savepointSQL = `SAVEPOINT eventus_append`
	releaseSQL   = `RELEASE SAVEPOINT eventus_append`
	undoSQL      = `ROLLBACK TO SAVEPOINT eventus_append`
)

// Append implements [store.Store], except that the events are committed with
// the transaction. It is one round trip.
func (t *TxStore) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.CheckAppend(stream, expected, events); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	g := &combine.Group{Stream: stream, Expected: expected, Events: events}
	query, args, err := t.store.oneArgs(true, g)
	if err != nil {
		return 0, err
	}
	var found *int64
	batch := &pgx.Batch{}
	batch.Queue(query, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&found) })
	if err := t.savepoint(ctx, batch); err != nil {
		err = fmt.Errorf("append: %w", err)
		if isRace(err) {
			return 0, t.store.lost(ctx, t.tx, g, err)
		}
		return 0, err
	}
	noteAppended(t.tx, stream)
	answer(g, found)
	return g.Result()
}

// savepoint sends a batch in one round trip, and takes tx back to before it when
// it fails.
func (t *TxStore) savepoint(ctx context.Context, statements *pgx.Batch) error {
	begun := false
	batch := &pgx.Batch{}
	batch.Queue(savepointSQL).Exec(func(pgconn.CommandTag) error { begun = true; return nil })
	batch.QueuedQueries = append(batch.QueuedQueries, statements.QueuedQueries...)
	batch.Queue(releaseSQL)
	err := t.tx.SendBatch(ctx, batch).Close()
	if err == nil || !begun {
		return err
	}
	for _, statement := range []string{undoSQL, releaseSQL} {
		if _, undoing := t.tx.Exec(ctx, statement); undoing != nil {
			return fmt.Errorf("%w; %s: %w", err, statement, undoing)
		}
	}
	return err
}

// Read implements [store.Reader] and sees the transaction's own appends.
func (t *TxStore) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	return t.store.read(ctx, t.tx, stream, after, limit)
}

// InTransaction implements [store.Bound]: a repository over this store does not
// retry.
func (t *TxStore) InTransaction() {}
