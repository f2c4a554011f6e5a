// Package storetest proves that an event store keeps the contract of package
// [store], and measures it. It is for authors of backends, ours among them:
// every subtest is a clause of the contract, and its name is the sentence that
// holds or does not.
//
// # Using it
//
// A test and a benchmark hand over one function, which opens the backend:
//
//	func TestContract(t *testing.T)      { storetest.Run(t, open) }
//	func BenchmarkContract(b *testing.B) { storetest.Bench(b, open) }
//
//	func open(t testing.TB) storetest.Backend[*sql.Tx] {
//		s := ... // a store on a database of its own; t.Cleanup closes it
//		return storetest.Backend[*sql.Tx]{Store: s, ...}
//	}
//
// Each call of open returns a store without events, marks and letters that
// shares nothing with those of earlier calls: a new file, a new schema, a new
// server. It closes what it opens by t.Cleanup, and calls t.Fatal when it cannot
// open. It is called once for each clause and once for each random sequence
// (see below), some two hundred times in a run, so that it should take
// milliseconds.
//
// Clauses run one after the other and change nothing outside of their store, so
// that open and the whole test may run beside others. Within a clause up to a
// dozen goroutines use the store at once, in benchmarks 64. Some wait for locks
// that others hold, and inside a transaction Get and methods without a
// transaction are called, ListConsumers among them, which are not part of it and
// must not wait for its end: a pool of fewer than a
// dozen connections can hang by itself.
//
// # What a backend may lack
//
// Only [store.Store] is demanded: a repository needs no more. The rest is looked
// for on the same value by type assertion, as repositories, relays and consumers
// look for it. What is not there is skipped, in one subtest that is named as
// the capability and tells what does not work without it. go test shows skipped
// tests with -v only, so look once with
//
//	$ go test -v -run '^TestContract$/^(store|Backend)[.]'
//	=== RUN   TestContract/store.Snapshots
//	    storetest.go:42: *mystore.Store is no store.Snapshots: repositories over it
//	    cannot use WithSnapshotEvery, every load reads its whole stream
//
// One skip is easier to see than forty, so that the clauses of a lacking
// capability do not run at all; those that look at several look at what is there.
// State in the backend's package what it has, so that nothing is lost unseen
// later:
//
//	var (
//		_ store.Store          = (*Store)(nil)
//		_ store.Inbox[*sql.Tx] = (*Store)(nil)
//	)
//
// A store that has all methods of a capability, but one with other parameters or
// results, has made a mistake, and the suite fails and names the method. So does
// an inbox whose transaction is not the Tx of [Backend].
//
// A backend without an inbox takes any type for Tx, as in Backend[any]. An inbox
// without a store, because its database has read models and no events, is tested
// on top of the store in memory, which lends it Append and Read:
//
//	Store: struct {
//		store.Store
//		*mysql.Inbox
//	}{memory.New(), inbox}
//
// # Reading a failure
//
// The name of the subtest is the sentence that does not hold, and the doc
// comments of package store are its long form. Differences are printed with
// "-want +got". One clause runs by its sentence, with underscores for spaces:
//
//	go test -run '^TestContract$/^a_snapshot_only_moves_forward$'
//
// One defect breaks many clauses: a time that is not cut to the microsecond is in
// every message. The simplest come first, so begin with the first that fails,
// which go test -failfast stops at.
//
// A clause that hangs until go test's -timeout has found a lock that is not
// given back, a call that does not end with its context, or a wake-up that was
// lost; the stack of the goroutine that runs the clause shows which.
//
// The last clause, "any sequence of operations gives what the model gives", runs
// random operations against the backend and against a model, a store as simple
// as slices allow, and compares everything that can be read after each step.
// It and the few clauses of random input are driven by
// [pgregory.net/rapid]: a failure is made as small as it gets, and the output
// has the flag that repeats it, -rapid.seed or -rapid.failfile (rapid writes
// such files below testdata/rapid; -rapid.nofailfile stops it). By default 100
// sequences of 30 steps on average are run; -rapid.checks=1000 and
// -rapid.steps=100 look further.
//
// # Benchmarks
//
//	go test -v -run '^$' -bench Contract -count 5
//
// An event has 300 bytes of data, and figures are "events/s", whatever an
// operation does. Compare them between commits or between backends, on one
// machine and over several runs; by themselves they tell more of the disk than
// of the backend.
//
//   - "append 1 event" with 1, 16 and 64 writers: what a commit costs, and
//     whether commits are shared. A figure that does not grow with the writers
//     means one lock or one fsync for each.
//   - "append 100 events", 1000: one statement for all, or one for each.
//   - "append that is refused": the time that a lost race takes.
//   - "read a stream", "read the log", of 10,000 in pages of 500.
//   - "load a stream of 10000 by its snapshot": beside "read a stream", what a
//     snapshot saves.
//   - "outbox cycle of 100": append, read and mark, as repository and relay do.
//   - "mark 100 streams in a transaction": what a receiver adds to its handlers'
//     work on a batch.
//
// # What it does not prove
//
// The suite knows one process, and a database that stays up. It proves nothing
// about
//
//   - crashes and power loss: whether what was acknowledged is on the disk;
//   - two processes or two store values on one database;
//   - lost connections, restarts and failover, and which errors are
//     [store.Inbox]'s IsTransient (it asks only that the handler's own are not);
//   - query plans: what is fast with a thousand rows and not with a million;
//   - migrations, backups, and events that an older release has written;
//   - transactions of the user's own that carry an append ([store.Bound]).
//
// It hunts for lost updates and skipped events by racing goroutines, for as long
// as a test may take: a race that needs an unlucky pause of the server can
// pass. Tests of that kind belong to the backend; those of our backends show
// how.
package storetest
