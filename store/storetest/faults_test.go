package storetest_test

import (
	"testing"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/storetest"
)

// fault is a store that is wrong in one way, and the clause that tells.
type fault struct {
	name   string
	breaks string
	open   func(testing.TB) storetest.Backend[*memory.Tx]
}

// with opens a store that spoil has made wrong.
func with(spoil func(*memory.Store) store.Store) func(testing.TB) storetest.Backend[*memory.Tx] {
	return func(t testing.TB) storetest.Backend[*memory.Tx] {
		b := open(t)
		b.Store = spoil(memory.New())
		return b
	}
}

var shared = memory.New()

// faults, by what they concern.
var faults = []fault{
	{"all tests share one store", "each call of open gives an empty store of its own",
		with(func(*memory.Store) store.Store { return shared })},

	{"a lost append is reported as done", "a lost append stores nothing of its events",
		with(func(s *memory.Store) store.Store { return doNothing{s} })},
	{"the version is compared before the lock is taken", "of concurrent appends that expect one version exactly one wins",
		with(func(s *memory.Store) store.Store { return checkThenAct{s} })},
	{"a race is lost by who expects any version", "concurrent appends that expect any version all win, without holes",
		with(func(s *memory.Store) store.Store { return impatient{s} })},
	{"a version ahead of the stream is accepted", "no expected version opens a hole or writes a version twice",
		with(func(s *memory.Store) store.Store { return atLeast{s} })},
	{"the database's own error comes out", "a conflict tells the stream, the expected and the actual version",
		with(func(s *memory.Store) store.Store { return rawError{s} })},
	{"times are cut to the millisecond", "times come back in UTC, cut to the microsecond",
		with(func(s *memory.Store) store.Store { return milliseconds{s} })},
	{"the category is no part of the key", "one id in two categories is two streams",
		with(func(s *memory.Store) store.Store { return idOnly{s} })},
	{"ids are compared without case", "ids that differ in a byte are different streams",
		with(func(s *memory.Store) store.Store { return caseless{s} })},
	{"a replica is read", "a read sees every append that has returned",
		with(func(s *memory.Store) store.Store { return &replica{Store: s} })},
	{"the context is not looked at", "a context that has ended fails every call, and nothing is written",
		with(func(s *memory.Store) store.Store { return deaf{s} })},
	{"the caller's bytes are kept", "a store keeps nothing of its input",
		with(func(s *memory.Store) store.Store { return &keeper{Store: s} })},
	{"pages are cached and given to everybody", "a store shares nothing of its output",
		with(func(s *memory.Store) store.Store { return &cached{Store: s} })},
	{"the data is gone after a restart", "everything is there after the store was closed and opened again",
		func(t testing.TB) storetest.Backend[*memory.Tx] { b := open(t); b.Reopen = open; return b }},

	{"the log is in the order of streams", "the whole log has every stream's events in ascending positions",
		with(func(s *memory.Store) store.Store { return byStream{s} })},
	{"the log gives a page before an earlier commit shows", "a reader who continues after the last position skips nothing while writers append",
		with(func(s *memory.Store) store.Store { return &lateCommit{Store: s} })},
	{"pages of the log leave out their last message", "pages of the log join without gap or overlap",
		with(func(s *memory.Store) store.Store { return shortPages{s} })},

	{"an outbox row is lost", "the outbox has exactly one row for each event, in the order of positions",
		with(func(s *memory.Store) store.Store { return lostRow{s} })},
	{"the outbox is a cursor", "marking takes exactly the given positions off the outbox",
		with(func(s *memory.Store) store.Store { return cursor{s} })},
	{"the outbox is a cursor, and nobody looked", "any sequence of operations gives what the model gives",
		with(func(s *memory.Store) store.Store { return cursor{s} })},
	{"the outbox is a cursor that passes a late commit", "a relay that marks what it read loses and repeats nothing while writers append",
		with(func(s *memory.Store) store.Store { return &lateRow{cursor: cursor{s}} })},
	{"Republish puts nothing back", "Republish puts back every message after a position and counts what it put back",
		with(func(s *memory.Store) store.Store { return noRepublish{s} })},

	{"a snapshot goes back", "a snapshot only moves forward",
		with(func(s *memory.Store) store.Store { return &lastSnapshot{Store: s} })},
	{"a snapshot of events that are not there is kept", "a snapshot of a version that the stream does not have is not stored",
		with(func(s *memory.Store) store.Store { return &lastSnapshot{Store: s} })},
	{"the snapshots' versions are compared before the lock is taken", "of concurrent snapshots the newest stays",
		with(func(s *memory.Store) store.Store { return &lastSnapshot{Store: s, compares: true} })},
	{"snapshot and tail are read one after the other", "a snapshot and its tail are one view while both are written",
		with(func(s *memory.Store) store.Store { return twoReads{s} })},

	{"who waited for a mark sees what was there before", "marks are locked: of concurrent additions none is lost",
		with(func(s *memory.Store) store.Store { return &stale{Store: s} })},
	{"who waited for a mark sees the letters of before", "who waited for a mark sees the letters that were parked and unparked meanwhile",
		with(func(s *memory.Store) store.Store { return &stale{Store: s} })},
	{"who waited for a mark sees what was forgotten", "who waited for a mark finds it at 0 when the consumer was forgotten meanwhile",
		with(func(s *memory.Store) store.Store { return &stale{Store: s} })},
	{"an error commits", "an error rolls everything back and comes out as it is",
		with(func(s *memory.Store) store.Store { return commits{s} })},
	{"a panic becomes an error", "a panic rolls everything back and goes on",
		with(func(s *memory.Store) store.Store { return recovers{s} })},
	{"a transaction commits after its context ended", "a transaction whose context ends rolls back, and the next one starts",
		with(func(s *memory.Store) store.Store { return deafTx{s} })},
	{"a failed transaction is tried again", "InTx runs the function once, whether it commits or not",
		with(func(s *memory.Store) store.Store { return retries{s} })},
	{"the handler's write is not in the transaction", "a transaction sees its own changes, and nobody else does before the commit", outside},
	{"Reset leaves dead letters", "Reset removes all marks and dead letters of the consumer and of no other",
		with(func(s *memory.Store) store.Store { return forgetsMarks{s} })},
	{"a dead letter is overwritten", "a letter parked twice stays as it is, but a newer error and its attempts replace the old",
		with(func(s *memory.Store) store.Store { return overwrites{s} })},
	{"every error is worth another try", "the handler's own errors are not transient",
		with(func(s *memory.Store) store.Store { return hopeful{s} })},

	{"a mark is a version alone", "a mark keeps the id of its event, and sets it back with the version",
		with(func(s *memory.Store) store.Store { return numbers{s} })},
	{"a queue that is set again is young again", "a queue comes back whole, and a second one replaces all of it but its age",
		with(func(s *memory.Store) store.Store { return renewed{s} })},
	{"a version is taken for the identity of a message", "queued messages come back whole, in ascending order of version and id, up to the limit",
		with(func(s *memory.Store) store.Store { return oneForEach{s} })},
	{"a message that is queued again replaces the first", "a message that is queued twice stays as it was",
		with(func(s *memory.Store) store.Store { return replaces{s} })},
	{"queues are tried before their time", "queues that retry are due when their time has come, the oldest first",
		with(func(s *memory.Store) store.Store { return impatientQueues{s} })},
	{"a deleted queue leaves its messages", "a stream that flows has no queue",
		with(func(s *memory.Store) store.Store { return leftovers{s} })},
	{"a key that comes twice in one call is new twice", "a key is new once for each consumer, also within one call",
		with(func(s *memory.Store) store.Store { return forgetful{s} })},
	{"keys are forgotten too early", "keys are forgotten when they are old, up to the limit",
		with(func(s *memory.Store) store.Store { return eager{s} })},
	{"a consumer that is reset keeps its incarnation", "Reset removes all marks and dead letters of the consumer and of no other",
		with(func(s *memory.Store) store.Store { return unchanging{s} })},
	{"letters with a reason are trimmed", "trimming leaves the newest letters, and all that have a reason",
		with(func(s *memory.Store) store.Store { return tidy{s} })},

	{"a channel of Watch is always closed", "a channel of Watch is closed when an append commits after the call",
		with(func(s *memory.Store) store.Store { return restless{s} })},
	{"every append wakes", "a refused append wakes nobody",
		with(func(s *memory.Store) store.Store { return restless{s} })},
	{"everybody gets the lease", "of holders that ask at one time one gets the lease",
		with(func(s *memory.Store) store.Store { return generous{s} })},
}
