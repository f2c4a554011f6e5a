// Package postgres is an event store in PostgreSQL 15 or newer, on pgx:
//
//	pool, err := pgxpool.New(ctx, url)
//	...
//	err = postgres.Migrate(ctx, pool, postgres.Config{})
//	events, err := postgres.Open(ctx, pool, postgres.Config{})
//
// # Appends
//
// An append is one round trip and one transaction. One that finds nobody goes at
// once. Appends of one [Store] that find others under way are combined: they wait
// until half of all wait, or no statement is under way, and the next statement
// carries them. Nobody waits for an open transaction unless
// it has appended to the same stream, and then for 30 seconds at most.
//
// # The user's transaction
//
// [Store.WithTx] appends in a transaction of the caller's, so that rows, events
// and outbox rows commit together. That is also how a service without aggregates
// puts a message into the outbox: it appends to the stream of the row's name,
// expecting [store.Any].
//
// Inside [Store.InTx], an append outside of the transaction, to a stream that it
// has appended to, fails at once if it has the transaction's context. Otherwise it
// waits until it fails with a [*store.BusyError]: append through WithTx there.
//
// # The order of the log
//
// Positions are drawn from a sequence, so that appenders do not wait for each
// other, and they can commit in another order. [Store.ReadAll] stops before a
// position that is missing until it is sure that nobody will commit it; see
// docs/adr/0006 for the argument. What it waits for are transactions that have
// appended and are still open, prepared ones included; [Store.BlockedBy]
// says which. It reads from the primary only.
//
// # Poolers
//
// The store keeps nothing in a session: no prepared statement by name, no
// session lock, no setting, no LISTEN. It works behind PgBouncer in transaction
// mode. A PgBouncer before 1.21, or one with max_prepared_statements = 0, needs
// default_query_exec_mode=exec in the pool's URL.
//
// # The schema
//
// [Migrate] brings the tables event_store, outbox, published, history,
// snapshots, inbox, inbox_queues, inbox_messages, inbox_keys,
// inbox_incarnations, dead_letters, leases, consumers, consumer_segments,
// consumer_members, parked_streams, consumer_requests and eventus_migrations,
// and their functions, into one schema: Config.Schema, or the first of the
// connection's search_path.
// Several stores can live in one database, each in a schema of its own.
//
// [Partition] divides event_store into parts on request, and adds the table
// stream_versions.
//
// One transaction holds a lock for each stream that it appends to. A transaction
// of the caller's that appends to many thousands of streams needs a larger
// max_locks_per_transaction.
package postgres
