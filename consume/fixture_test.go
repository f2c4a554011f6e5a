package consume_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

type ticked struct {
	N int64 `json:"n"`
}

// ticks types the messages of these tests without an aggregate.
var ticks = eventus.Foreign("tick", eventus.Known("ticked", func(e ticked) ticked { return e }))

func tick(id string) store.Stream { return store.Stream{Category: "tick", ID: id} }

// view is a read model in memory that would show every doubled, skipped or
// disordered effect: it keeps the versions it was given, for each stream.
type view struct {
	mu       sync.Mutex
	versions map[store.Stream][]int64
	// fail, if set, is asked before each effect.
	fail func(m eventus.Message[ticked]) error
	// calls counts the handler's calls by stream, failed ones included.
	calls map[store.Stream]int
}

func newView() *view {
	return &view{versions: make(map[store.Stream][]int64), calls: make(map[store.Stream]int)}
}

func (v *view) Handle(_ context.Context, tx *memory.Tx, m eventus.Message[ticked]) error {
	v.mu.Lock()
	v.calls[m.Stream]++
	fail := v.fail
	v.mu.Unlock()
	// Staged before the failure: only the rollback keeps it from showing.
	tx.OnCommit(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.versions[m.Stream] = append(v.versions[m.Stream], m.Version)
	})
	if fail != nil {
		return fail(m)
	}
	return nil
}

// reset empties the view, as the second half of a rebuild.
func (v *view) reset(_ context.Context, tx *memory.Tx) error {
	tx.OnCommit(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		clear(v.versions)
	})
	return nil
}

func (v *view) setFail(fail func(m eventus.Message[ticked]) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = fail
}

func (v *view) of(id string) []int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]int64(nil), v.versions[tick(id)]...)
}

// check fails unless the view has had versions 1 to want of the stream, each
// once and in order.
func (v *view) check(t testing.TB, id string, want int64) {
	t.Helper()
	got := v.of(id)
	if int64(len(got)) != want {
		t.Errorf("%s: %d effects, want %d: %v", id, len(got), want, got)
		return
	}
	for i, version := range got {
		if version != int64(i+1) {
			t.Errorf("%s: effect %d is of version %d: %v", id, i+1, version, got)
			return
		}
	}
}

// system is a store, a broker and a view, in a synctest bubble: its hours take no
// time.
type system struct {
	t      testing.TB
	store  *memory.Store
	broker *brokermemory.Broker
	view   *view
	stop   []func()
}

// run starts a loop that ends with the test's bubble.
func (s *system) run(loop func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := loop(ctx); err != nil {
			s.t.Errorf("loop ended: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	s.stop = append(s.stop, stop)
	return stop
}

func (s *system) end() {
	for _, stop := range s.stop {
		stop()
	}
}

// settle lets the system run for a while of its own time.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// silent is a broker that delivers nothing.
func silent() broker.Subscriber { return brokermemory.New(brokermemory.Config{}) }

var errDown = errors.New("the database is down")

// troubled is an inbox whose database is down now and then.
type troubled struct {
	*memory.Store
	down func() bool
}

func (s *troubled) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	if s.down() {
		return errDown
	}
	return s.Store.InTx(ctx, f)
}

func (s *troubled) IsTransient(err error) bool { return errors.Is(err, errDown) }

func alwaysPermanent(eventus.Message[ticked]) error { return consume.Permanent(errors.New("never")) }
