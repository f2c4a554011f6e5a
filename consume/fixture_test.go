package consume_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

type ticked struct {
	N int64 `json:"n"`
}

// ticks types the messages of these tests without an aggregate.
var ticks = eventus.Foreign("tick", eventus.Known("ticked", func(e ticked) ticked { return e }))

func tick(id string) store.Stream { return store.Stream{Category: "tick", ID: id} }

func encode(t testing.TB, n int64) store.Event {
	t.Helper()
	e, err := ticks.Encode(ticked{n})
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Time = fmt.Sprintf("event-%d-%d", n, rand.Uint64()), time.Now()
	return e
}

func appendTicks(t testing.TB, s *memory.Store, id string, numbers ...int64) {
	t.Helper()
	for _, n := range numbers {
		if _, err := s.Append(context.Background(), tick(id), store.Any, []store.Event{encode(t, n)}); err != nil {
			t.Fatal(err)
		}
	}
}

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

// system is a store, a broker, and what runs between them, in a synctest bubble:
// its hours take no time.
type system struct {
	t      testing.TB
	store  *memory.Store
	broker *brokermemory.Broker
	view   *view
	runner *consume.Runner[*memory.Tx, ticked]
	stop   []func()
}

type settings struct {
	noLog      bool
	publisher  func(broker.Publisher) broker.Publisher
	subscriber func(broker.Subscriber) broker.Subscriber
	config     consume.RunnerConfig
	retry      consume.Retry
}

func newSystem(t testing.TB, set settings) *system {
	s := &system{t: t, store: memory.New(), broker: brokermemory.New(brokermemory.Config{}), view: newView()}
	var publisher broker.Publisher = s.broker
	if set.publisher != nil {
		publisher = set.publisher(s.broker)
	}
	var subscriber broker.Subscriber = s.broker
	if set.subscriber != nil {
		subscriber = set.subscriber(s.broker)
	}
	if !set.noLog {
		set.config.Log = s.store
	}
	if set.retry == (consume.Retry{}) {
		set.retry.MaxAttempts = 5
	}
	s.runner = consume.New(consume.Idempotent("view", s.store, s.view.Handle, set.retry), ticks, subscriber, set.config)
	s.run(outbox.New(s.store, publisher, outbox.Config{}).Run)
	return s
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

func (s *system) deadLetters() []store.DeadLetter {
	s.t.Helper()
	letters, err := s.runner.DeadLetters(context.Background(), store.Stream{}, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return letters
}

// chaos is a broker that does to messages all that the contract allows, and
// more: it confirms and forgets, repeats and reorders.
type chaos struct {
	broker.Publisher
	random       *rand.Rand
	lose, repeat float64
	shuffle      bool
	refuse       float64
}

var errRefused = errors.New("refused")

func (c *chaos) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	confirmed := len(messages)
	var err error
	if c.random.Float64() < c.refuse {
		confirmed, err = c.random.IntN(len(messages)), errRefused
	}
	var out []broker.Message
	for _, m := range messages[:confirmed] {
		if c.random.Float64() < c.lose {
			continue
		}
		out = append(out, m)
		for c.random.Float64() < c.repeat {
			out = append(out, m)
		}
	}
	if c.shuffle {
		c.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	if len(out) > 0 {
		if _, err := c.Publisher.Publish(ctx, out); err != nil {
			return 0, err
		}
	}
	return confirmed, err
}

func alwaysPermanent(eventus.Message[ticked]) error { return consume.Permanent(errors.New("never")) }
