package consume_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// bumps types the messages of the follower's tests: an own table, in which a
// type that is not listed is an error.
type bumpState struct{}
type bumpEvent interface{ eventus.Event[bumpState] }
type bumped struct {
	N int `json:"n"`
}

func (bumped) Apply(*bumpState) {}

type bump struct {
	eventus.Aggregate[bumpState, bumpEvent]
}

var (
	bumps = eventus.Define("bump", eventus.New[bump], eventus.Type[bumped]("bumped"))
	jumps = eventus.Define("jump", eventus.New[bump], eventus.Type[bumped]("jumped"))
)

// bench is a store with a follower over it, in a synctest bubble: its hours take
// no time.
type bench struct {
	*testing.T
	store *memory.Store
	model *model
	log   *lockedBuffer
	names int
}

func newBench(t *testing.T) *bench {
	return &bench{T: t, store: memory.New(), model: newModel(), log: &lockedBuffer{}}
}

// inBubble runs a test in a bubble that ends when everything in it has.
func inBubble(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newBench(t)) })
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (b *bench) config() consume.Config {
	return consume.Config{
		Retry:  consume.Retry{MaxAttempts: 5},
		Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (b *bench) follower(cfg consume.Config) *consume.Follower[*memory.Tx] {
	return consume.Follow("view", b.store, cfg, consume.On(bumps, b.model.handle), consume.OnReset(b.model.reset))
}

// run runs a follower until stop is called; the test ends with an error of Run.
func (b *bench) run(f *consume.Follower[*memory.Tx]) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.Errorf("Run: %v", err)
		}
	})
	b.Cleanup(stop)
	return stop
}

// append appends n events to the stream of id, in one append each.
func (b *bench) append(id string, n int) { b.appendTo(bumps, id, n) }

func (b *bench) appendTo(d *eventus.Definition[*bump, bumpEvent], id string, n int) {
	b.Helper()
	for range n {
		b.names++
		e, err := d.Encode(bumped{b.names})
		if err != nil {
			b.Fatal(err)
		}
		e.ID, e.Time = fmt.Sprintf("%s-%d", id, b.names), time.Now()
		if _, err := b.store.Append(context.Background(), d.Stream(id), store.Any, []store.Event{e}); err != nil {
			b.Fatal(err)
		}
	}
}

func (b *bench) ask(r store.Request) {
	b.Helper()
	r.Consumer = store.ConsumerID{Name: "view"}
	if _, err := consume.Ask(context.Background(), b.store, r); err != nil {
		b.Fatal(err)
	}
}

// parked returns the parked streams, by id.
func (b *bench) parked() map[string]store.Parked {
	b.Helper()
	rows, err := b.store.ListParked(context.Background(), store.ConsumerID{Name: "view"}, store.Stream{}, 1000)
	if err != nil {
		b.Fatal(err)
	}
	parked := make(map[string]store.Parked)
	for _, p := range rows {
		parked[p.Stream.ID] = p
	}
	return parked
}

func (b *bench) consumer() store.Consumer {
	b.Helper()
	all, _, err := b.store.ListConsumers(context.Background(), store.ConsumerID{Name: "view"})
	if err != nil || len(all) != 1 {
		b.Fatalf("%d consumers, error %v", len(all), err)
	}
	return all[0]
}

// change changes the consumer's rows by hand.
func (b *bench) change(f func(c *store.Consumer)) {
	b.Helper()
	err := b.store.InTx(context.Background(), func(ctx context.Context, tx *memory.Tx) error {
		c, _, err := b.store.LockConsumer(ctx, tx, store.ConsumerID{Name: "view"})
		if err != nil {
			return err
		}
		f(&c)
		return b.store.SaveConsumer(ctx, tx, c)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// model is a read model that shows each doubled, lost or disordered effect: it
// keeps the versions of each stream, and the positions over all.
type model struct {
	mu        sync.Mutex
	versions  map[store.Stream][]int64
	positions []int64
	calls     map[store.Stream]int
	batches   []int
	fail      func(ctx context.Context, m eventus.Message[bumpEvent]) error
}

func newModel() *model {
	return &model{versions: make(map[store.Stream][]int64), calls: make(map[store.Stream]int)}
}

func (m *model) handle(ctx context.Context, tx *memory.Tx, msg eventus.Message[bumpEvent]) error {
	m.mu.Lock()
	m.calls[msg.Stream]++
	fail := m.fail
	m.mu.Unlock()
	// Staged before the failure: only the rollback keeps it from showing.
	tx.OnCommit(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.versions[msg.Stream] = append(m.versions[msg.Stream], msg.Version)
		m.positions = append(m.positions, msg.Position)
	})
	if fail != nil {
		return fail(ctx, msg)
	}
	return nil
}

func (m *model) handleBatch(ctx context.Context, tx *memory.Tx, messages []eventus.Message[bumpEvent]) error {
	m.mu.Lock()
	m.batches = append(m.batches, len(messages))
	m.mu.Unlock()
	for _, msg := range messages {
		if err := m.handle(ctx, tx, msg); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) reset(_ context.Context, tx *memory.Tx) error {
	tx.OnCommit(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		clear(m.versions)
		m.positions = nil
	})
	return nil
}

func (m *model) setFail(fail func(ctx context.Context, m eventus.Message[bumpEvent]) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

func (m *model) of(s store.Stream) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.versions[s])
}

func (m *model) callsOf(s store.Stream) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[s]
}

// want fails unless the model has had the versions 1 to want of a stream, each
// once and in order.
func (b *bench) want(id string, want int) { b.Helper(); b.wantOf(bumps.Stream(id), want) }

func (b *bench) wantOf(s store.Stream, want int) {
	b.Helper()
	got := b.model.of(s)
	ok := len(got) == want
	for i, v := range got {
		ok = ok && v == int64(i+1)
	}
	if !ok {
		b.Errorf("%s: the model has versions %v, want 1 to %d", s, got, want)
	}
}

var errNever = errors.New("never")

// failOn fails for the messages of one stream from a version on.
func failOn(id string, from int64, err error) func(context.Context, eventus.Message[bumpEvent]) error {
	return func(_ context.Context, m eventus.Message[bumpEvent]) error {
		if m.Stream.ID == id && m.Version >= from {
			return err
		}
		return nil
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
