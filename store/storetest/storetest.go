// Package storetest proves that an event store keeps the contract of package
// store. Authors of backends call [Run] from a test and [Bench] from a benchmark;
// every subtest is a clause of the contract, and its name is the sentence that
// failed.
package storetest

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/store"
)

// Store is the whole contract, as one value of a backend implements it. A
// backend that implements [store.Watcher] or [store.Leases] as well is tested for it.
type Store[Tx any] interface {
	store.Store
	store.Log
	store.Outbox
	store.Snapshots
	store.Inbox[Tx]
}

// Backend is a store under test and the way to the other data of its database.
type Backend[Tx any] struct {
	Store[Tx]

	// Put stores value under key in tx, as a handler writes to its read
	// model. A second one under the same key replaces the first.
	Put func(ctx context.Context, tx Tx, key, value string) error
	// Get returns what is committed under key.
	Get func(ctx context.Context, key string) (value string, ok bool, err error)
	// Rewind takes all events with a position greater than after away, with
	// their rows of the outbox, and leaves the rest: what is there after the
	// events, and nothing else, were restored from an older backup.
	Rewind func(t testing.TB, after int64)
	// Reopen closes the store and opens the same data again. A backend whose
	// data ends with the value leaves it nil.
	Reopen func(t testing.TB) Backend[Tx]
}

// Run tests a backend. Each call of open returns a fresh, empty store, which
// open closes by t.Cleanup. Run needs no order and no parallelism from the
// backend's other tests.
func Run[Tx any](t *testing.T, open func(t testing.TB) Backend[Tx]) {
	for _, clauses := range [][]clause[Tx]{
		appendClauses[Tx](), limitClauses[Tx](), nameClauses[Tx](), readClauses[Tx](), logClauses[Tx](),
		outboxClauses[Tx](), snapshotClauses[Tx](), inboxClauses[Tx](), markClauses[Tx](),
		deadLetterClauses[Tx](), ownershipClauses[Tx](), contextClauses[Tx](), watchClauses[Tx](),
		leaseClauses[Tx](), durableClauses[Tx](),
	} {
		for _, c := range clauses {
			t.Run(c.sentence, func(t *testing.T) { c.holds(t, open(t)) })
		}
	}
	t.Run("any sequence of operations gives what the model gives", func(t *testing.T) { testModel(t, open) })
}

// clause is one sentence of the contract and its proof on an empty store.
type clause[Tx any] struct {
	sentence string
	holds    func(t *testing.T, b Backend[Tx])
}
