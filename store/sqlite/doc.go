// Package sqlite is a durable event store in one SQLite file, for services of
// one node. It is written for database/sql and imports no driver; it is tested
// with modernc.org/sqlite:
//
//	db, err := sql.Open("sqlite", sqlite.DSN("shop.db"))
//	...
//	events, err := sqlite.Open(ctx, db)
//
// # Writers
//
// SQLite has one writer at a time. The writers of one [Store] take turns without
// asking the database, and appends that wait for their turn are combined: the
// next of them commits all in one transaction. An append that finds nobody else
// goes at once. Writers of other processes, and of other values opened on the
// same file, are waited for as long as busy_timeout says. Readers wait for
// nobody.
//
// A transaction of [Store.InTx] is a writer from its first moment to its last:
// keep it short. It is rolled back when its context ends, even if its function
// hangs. A process that is stopped (SIGSTOP) in a transaction keeps the lock of
// the file: writers of other processes get an error that is [Store.IsTransient]
// until the process goes on or ends. SQLite has no way to take the lock from it.
//
// When the WAL has grown to 32 MB, because there was always a reader, a writer empties
// it at the end of its turn. Writers wait for that, 250 ms at most for readers that
// began before, or for up to 4 seconds while the WAL goes on to grow. A reader that
// never ends keeps the WAL growing.
//
// # The pool
//
// The pool belongs to the caller. It needs two connections at least, and as
// many idle ones as there are concurrent readers (sql.DB.SetMaxIdleConns; the
// default is 2), because opening a connection costs more than a read.
//
// # The schema
//
// [Open] brings the schema up to date. The tables event_store, outbox,
// published, history, snapshots, inbox, inbox_queues, inbox_messages,
// inbox_keys, inbox_incarnations, dead_letters, consumers, consumer_segments,
// consumer_members, parked_streams and consumer_requests and the database's
// user_version are the store's; every other table is the caller's, in the same
// transactions if they like (see [Store.WithTx] and [Store.InTx]).
package sqlite
