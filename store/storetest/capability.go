package storetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store"
)

// subject is a backend under test, by all that it can do. What it lacks is nil,
// and no clause that runs calls it.
type subject[Tx any] struct {
	store.Store
	Log store.Log // by name: it has a Read as Store has
	store.Outbox
	store.Snapshots
	store.Inbox[Tx]
	store.Consumers[Tx]
	store.Watcher
	store.Leases
	store.Identity
	Backend[Tx]
}

// transactions returns the part of the store that runs transactions, or nil. An
// inbox and consumers of one store run the same ones.
func (b subject[Tx]) transactions() store.Transactions[Tx] {
	if b.Inbox != nil {
		return b.Inbox
	}
	if b.Consumers != nil {
		return b.Consumers
	}
	return nil
}

// InTx is needed because both Inbox and Consumers have one.
func (b subject[Tx]) InTx(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	return b.transactions().InTx(ctx, f)
}

// IsTransient is needed because both Inbox and Consumers have one.
func (b subject[Tx]) IsTransient(err error) bool { return b.transactions().IsTransient(err) }

// mustOpen opens a backend and finds out what it can do, as the rest of Eventus
// does: by type assertion.
func mustOpen[Tx any](t testing.TB, open func(t testing.TB) Backend[Tx]) subject[Tx] {
	t.Helper()
	return mustBeSubject(t, open(t))
}

func mustBeSubject[Tx any](t testing.TB, backend Backend[Tx]) subject[Tx] {
	t.Helper()
	if backend.Store == nil {
		t.Fatal("Backend.Store is nil: it is the value under test")
	}
	b := subject[Tx]{Store: backend.Store, Backend: backend}
	b.Log, _ = backend.Store.(store.Log)
	b.Outbox, _ = backend.Store.(store.Outbox)
	b.Snapshots, _ = backend.Store.(store.Snapshots)
	b.Inbox, _ = backend.Store.(store.Inbox[Tx])
	b.Consumers, _ = backend.Store.(store.Consumers[Tx])
	b.Watcher, _ = backend.Store.(store.Watcher)
	b.Leases, _ = backend.Store.(store.Leases)
	b.Identity, _ = backend.Store.(store.Identity)
	if b.Inbox != nil && (b.Put == nil || b.Get == nil) {
		t.Fatalf("%T has an inbox, and Backend.Put or Backend.Get is nil: without them nobody sees whether a handler's writes commit with its mark", b.Store)
	}
	if b.Consumers != nil && (b.Put == nil || b.Get == nil) {
		t.Fatalf("%T keeps consumers, and Backend.Put or Backend.Get is nil: set both, so that the suite can check that a handler's writes commit with its position", b.Store)
	}
	for _, c := range capabilities(b) {
		if c.has || c.contract == nil {
			continue
		}
		if missing, different := compareMethods(b.Store, c.contract); len(missing) == 0 {
			t.Fatalf("%T has the methods of %s, and yet is none: %s", b.Store, c.name, strings.Join(different, "; "))
		}
	}
	return b
}

// capability is what a backend may lack.
type capability struct {
	name     string
	has      bool
	contract reflect.Type // nil for a function of Backend
	without  string       // what does not work then
}

func capabilities[Tx any](b subject[Tx]) []capability {
	return []capability{
		{"store.Log", b.Log != nil, reflect.TypeFor[store.Log](),
			"no consume.Follow can read it, and no read model can be rebuilt from it"},
		{"store.Outbox", b.Outbox != nil, reflect.TypeFor[store.Outbox](),
			"no outbox.Relay can publish its events"},
		{"store.Snapshots", b.Snapshots != nil, reflect.TypeFor[store.Snapshots](),
			"repositories over it cannot use WithSnapshotEvery, every load reads its whole stream"},
		{"store.Inbox", b.Inbox != nil, reflect.TypeFor[store.Inbox[Tx]](),
			"no consume.Idempotent can keep its marks in it, read models live in another database"},
		{"store.Consumers", b.Consumers != nil, reflect.TypeFor[store.Consumers[Tx]](),
			"no consume.Follow can keep its position in it"},
		{"store.Watcher", b.Watcher != nil, reflect.TypeFor[store.Watcher](),
			"an idle relay in the same process finds an append by its next poll only"},
		{"store.Leases", b.Leases != nil, reflect.TypeFor[store.Leases](),
			"nothing keeps relays in two processes from publishing at once"},
		{"store.Identity", b.Identity != nil, reflect.TypeFor[store.Identity](),
			"nothing keeps another store from publishing to its topics, and readers cannot tell its events from that one's"},
		{"Backend.Rewind", b.Rewind != nil || b.Snapshots == nil, nil,
			"that no snapshot of lost events is used is not tested"},
		{"Backend.Reopen", b.Reopen != nil, nil,
			"that its data outlives the value is not tested"},
	}
}

// lack tells that s lacks c, and what does not work then; empty when it does not.
func (c capability) lack(s store.Store) string {
	if c.has {
		return ""
	}
	if c.contract == nil {
		return fmt.Sprintf("%s is nil: %s", c.name, c.without)
	}
	some := ""
	if missing, _ := compareMethods(s, c.contract); len(missing) < c.contract.NumMethod() {
		some = fmt.Sprintf(" (it has no %s)", strings.Join(missing, ", no "))
	}
	return fmt.Sprintf("%T is no %s%s: %s", s, c.name, some, c.without)
}

// compareMethods returns the names of the methods that s lacks of an interface,
// and what is different in those that it has.
func compareMethods(s store.Store, contract reflect.Type) (missing, different []string) {
	for i := range contract.NumMethod() {
		want := contract.Method(i)
		switch got := reflect.ValueOf(s).MethodByName(want.Name); {
		case !got.IsValid():
			missing = append(missing, want.Name)
		case got.Type() != want.Type:
			different = append(different, fmt.Sprintf("%s is %v, want %v", want.Name, got.Type(), want.Type))
		}
	}
	return missing, different
}
