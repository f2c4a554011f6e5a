package storetest

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/store"
)

// Backend is a store under test and the way to the other data of its database.
// Tx is the transaction of its inbox; any type will do where it has none.
type Backend[Tx any] struct {
	// Store is the value under test. The other interfaces of package store are
	// looked for on it.
	Store store.Store

	// Put stores value under key in tx, as a handler writes to its read
	// model. A second one under the same key replaces the first. A backend
	// with an inbox or consumers has it and Get: that a handler's write
	// commits together with its mark or its position is what they are for.
	Put func(ctx context.Context, tx Tx, key, value string) error
	// Get returns what is committed under key.
	Get func(ctx context.Context, key string) (value string, ok bool, err error)
	// Rewind takes all events with a position greater than after away, with
	// their rows of the outbox, and leaves the rest: what is there after the
	// events, and nothing else, were restored from an older backup. A backend
	// that keeps no snapshots, or cannot lose events, leaves it nil.
	Rewind func(t testing.TB, after int64)
	// Damage changes a byte of the data of the event at position, behind the back
	// of the store. A nil Damage skips the test of checksums; a store in memory has
	// none.
	Damage func(t testing.TB, position int64)
	// Reopen closes the store and opens the same data again. A backend whose
	// data ends with the value leaves it nil.
	Reopen func(t testing.TB) Backend[Tx]
}

// Run tests a backend. Each call of open returns a fresh, empty store, which
// open closes by t.Cleanup. Clauses run one after the other. For each
// capability that the store lacks there is one skipped subtest; package
// storetest's own comment tells more.
func Run[Tx any](t *testing.T, open func(t testing.TB) Backend[Tx]) {
	b := mustOpen(t, open)
	for _, c := range capabilities(b) {
		if lack := c.lack(b.Store); lack != "" {
			t.Run(c.name, func(t *testing.T) { t.Skip(lack) })
		}
	}
	for _, part := range []struct {
		runs    bool
		clauses []clause[Tx]
	}{
		{true, appendClauses[Tx]()},
		{true, limitClauses[Tx]()},
		{true, nameClauses[Tx]()},
		{true, readClauses[Tx]()},
		{b.Log != nil, logClauses[Tx]()},
		{b.Log != nil, headClauses[Tx]()},
		{b.Outbox != nil, outboxClauses[Tx]()},
		{b.Outbox != nil, refusedClauses[Tx]()},
		{b.Snapshots != nil, snapshotClauses[Tx]()},
		{b.Snapshots != nil && b.Rewind != nil, rewindClauses[Tx]()},
		{b.Log != nil && b.Damage != nil, damageClauses[Tx]()},
		{b.transactions() != nil, transactionClauses[Tx]()},
		{b.Inbox != nil, inboxClauses[Tx]()},
		{b.Inbox != nil, markClauses[Tx]()},
		{b.Inbox != nil, queueClauses[Tx]()},
		{b.Inbox != nil, recordClauses[Tx]()},
		{b.Consumers != nil, consumerClauses[Tx]()},
		{b.Consumers != nil, renameClauses[Tx]()},
		{b.Consumers != nil, listClauses[Tx]()},
		{b.Consumers != nil, advanceClauses[Tx]()},
		{b.Consumers != nil, lockClauses[Tx]()},
		{b.Consumers != nil, parkedClauses[Tx]()},
		{b.Consumers != nil, redriveClauses[Tx]()},
		{b.Consumers != nil, requestClauses[Tx]()},
		{b.Consumers != nil, rollbackClauses[Tx]()},
		{true, ownershipClauses[Tx]()},
		{true, contextClauses[Tx]()},
		{b.Inbox != nil, inboxContextClauses[Tx]()},
		{b.Watcher != nil, watchClauses[Tx]()},
		{b.Leases != nil, leaseClauses[Tx]()},
		{b.Identity != nil, historyClauses[Tx]()},
		{b.Reopen != nil, durableClauses[Tx]()},
	} {
		for _, c := range part.clauses {
			if part.runs {
				t.Run(c.sentence, func(t *testing.T) { c.holds(t, mustOpen(t, open)) })
			}
		}
	}
	if b.Identity != nil {
		t.Run("each store has a history of its own", func(t *testing.T) { testHistories(t, open) })
	}
	t.Run("each call of open gives an empty store of its own", func(t *testing.T) { testOpen(t, open) })
	t.Run("any sequence of operations gives what the model gives", func(t *testing.T) { testModel(t, open) })
}

// clause is one sentence of the contract and its proof on an empty store.
type clause[Tx any] struct {
	sentence string
	holds    func(t *testing.T, b subject[Tx])
}

// testOpen is about the test that calls the suite: in a database that two calls
// share, other clauses would fail for no reason of the store's.
func testOpen[Tx any](t *testing.T, open func(t testing.TB) Backend[Tx]) {
	first := mustOpen(t, open)
	mustAppend(t, first, product, store.NoStream, event("first"))
	second := mustOpen(t, open)
	mustHoldOnly(t, second)
	mustAppend(t, second, product, store.NoStream, event("second"))
	mustHoldOnly(t, first, event("first"))
}
