package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// wire is a broker's inlet that keeps what arrives, and fails as told.
type wire struct {
	mu      sync.Mutex
	arrived []store.Message
	events  []cloudevents.Event // the same with their envelopes
	// accept says how many of n messages arrive, how many of those are
	// confirmed, and with which error.
	accept func(n int) (arrive, confirm int, err error)
	// published is called after each Publish.
	published func()
}

func (w *wire) Publish(_ context.Context, messages []broker.Message) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	arrive, confirm, err := len(messages), len(messages), error(nil)
	if w.accept != nil {
		arrive, confirm, err = w.accept(len(messages))
	}
	for _, m := range messages[:arrive] {
		decoded, err := cloudevents.Decode(m)
		if err != nil {
			return 0, err
		}
		w.arrived = append(w.arrived, decoded.Message)
		w.events = append(w.events, decoded)
	}
	if w.published != nil {
		w.published()
	}
	return confirm, err
}

// firstCopies fails unless the first copies of each stream's messages arrived
// complete and in order, and returns how many messages arrived in all.
func (w *wire) firstCopies(t *testing.T, want map[string]int64) int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[string]int64)
	for _, m := range w.arrived {
		if last := seen[m.Stream.ID]; m.Version > last+1 {
			t.Errorf("%s: version %d arrived after version %d", m.Stream, m.Version, last)
		} else if m.Version == last+1 {
			seen[m.Stream.ID]++
		}
	}
	for id, n := range want {
		if seen[id] != n {
			t.Errorf("stream %s: %d versions arrived, want %d", id, seen[id], n)
		}
	}
	return len(w.arrived)
}

func add(t *testing.T, s *memory.Store, id string) {
	t.Helper()
	e := store.Event{ID: fmt.Sprint(rand.Uint64()), Type: "ticked", ContentType: "application/json", Data: []byte("{}"), Time: time.Now()}
	if _, err := s.Append(context.Background(), store.Stream{Category: "tick", ID: id}, store.Any, []store.Event{e}); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, r *outbox.Relay) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run returned %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

func left(t *testing.T, s *memory.Store) int {
	t.Helper()
	messages, _, err := s.Unpublished(context.Background(), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(messages)
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEachMessageIsPublishedOnceInOrderWhenNothingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		for i := range 100 {
			add(t, s, fmt.Sprint(i%3))
		}
		defer run(t, outbox.New(s, w, outbox.Config{BatchSize: 7}))()
		settle(time.Second)
		for i := range 101 {
			add(t, s, fmt.Sprint(i%3))
		}
		settle(time.Second)
		if n := w.firstCopies(t, map[string]int64{"0": 68, "1": 67, "2": 66}); n != 201 {
			t.Errorf("%d messages arrived, want 201", n)
		}
		if n := left(t, s); n != 0 {
			t.Errorf("%d left in the outbox", n)
		}
	})
}

func TestAnAppendOfThisProcessIsPublishedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		defer run(t, outbox.New(s, w, outbox.Config{MaxPollInterval: time.Hour}))()
		settle(10 * time.Hour)
		for n := range 10 {
			before := time.Now()
			add(t, s, "a")
			synctest.Wait()
			if len(w.arrived) != n+1 || time.Since(before) != 0 {
				t.Fatalf("%d arrived %v after append %d", len(w.arrived), time.Since(before), n+1)
			}
		}
	})
}

// unwatched hides that the store wakes the relay, as one in another
// process does.
type unwatched struct{ store.Outbox }

func TestAnAppendOfAnotherProcessIsFoundWithinMaxPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		defer run(t, outbox.New(unwatched{s}, w, outbox.Config{MaxPollInterval: time.Second}))()
		settle(time.Hour)
		add(t, s, "a")
		settle(time.Second)
		w.firstCopies(t, map[string]int64{"a": 1})
	})
}

var errBroken = errors.New("connection reset")

func TestOrderHoldsThroughEveryKindOfFailure(t *testing.T) {
	for name, accept := range map[string]func(r *rand.Rand, n int) (int, int, error){
		"nothing arrives":                   func(*rand.Rand, int) (int, int, error) { return 0, 0, errBroken },
		"all arrives, nothing is confirmed": func(_ *rand.Rand, n int) (int, int, error) { return n, 0, errBroken },
		"a part arrives, less is confirmed": func(r *rand.Rand, n int) (int, int, error) {
			arrive := r.IntN(n + 1)
			return arrive, r.IntN(min(arrive, n-1) + 1), errBroken
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				s, w := memory.New(), &wire{}
				w.accept = func(n int) (int, int, error) {
					if random.IntN(2) == 0 {
						return n, n, nil
					}
					return accept(random, n)
				}
				relay := outbox.New(s, w, outbox.Config{BatchSize: 5})
				stop := run(t, relay)
				want := make(map[string]int64)
				for i := range 300 {
					id := fmt.Sprint(i % 4)
					add(t, s, id)
					want[id]++
					if i%40 == 0 {
						settle(time.Second)
						stop()
						stop = run(t, relay)
					}
				}
				settle(10 * time.Minute)
				stop()
				w.firstCopies(t, want)
				if n := left(t, s); n != 0 {
					t.Errorf("%d left in the outbox", n)
				}
			})
		})
	}
}

func TestOnlyWhatIsConfirmedIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		for range 10 {
			add(t, s, "a")
		}
		w.accept = func(n int) (int, int, error) {
			if n == 10 {
				return 10, 4, errBroken
			}
			return 0, 0, errBroken
		}
		stop := run(t, outbox.New(s, w, outbox.Config{}))
		settle(time.Second)
		stop()
		if n := left(t, s); n != 6 {
			t.Errorf("%d left in the outbox, want the 6 that were not confirmed", n)
		}
	})
}

func TestWhatIsConfirmedWhenTheContextEndsIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		add(t, s, "a")
		ctx, cancel := context.WithCancel(t.Context())
		w.published = cancel
		if err := outbox.New(s, w, outbox.Config{}).Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := left(t, s); n != 0 {
			t.Errorf("%d left in the outbox", n)
		}
	})
}

// forgetful is an outbox that cannot be read or marked for a while.
type forgetful struct {
	*memory.Store
	read, mark func() error
}

func (f *forgetful) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	if err := f.read(); err != nil {
		return nil, 0, err
	}
	return f.Store.Unpublished(ctx, after, limit)
}

func (f *forgetful) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	if err := f.mark(); err != nil {
		return err
	}
	return f.Store.MarkPublished(ctx, positions, last)
}

func TestAStoreThatFailsForAWhileIsOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex // the relay reads and marks at the same time
		flaky := func() error {
			mu.Lock()
			defer mu.Unlock()
			if random.IntN(3) != 0 {
				return errBroken
			}
			return nil
		}
		s, w := &forgetful{Store: memory.New(), read: flaky, mark: flaky}, &wire{}
		for range 20 {
			add(t, s.Store, "a")
		}
		defer run(t, outbox.New(s, w, outbox.Config{BatchSize: 3}))()
		settle(time.Hour)
		w.firstCopies(t, map[string]int64{"a": 20})
		if n := left(t, s.Store); n != 0 {
			t.Errorf("%d left in the outbox", n)
		}
	})
}

// An error beside confirmations is progress: the relay does not slow down as if
// nothing had worked.
func TestProgressWithAnErrorResetsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		for range 100 {
			add(t, s, "a")
		}
		w.accept = func(int) (int, int, error) { return 1, 1, errBroken }
		defer run(t, outbox.New(s, w, outbox.Config{}))()
		settle(100 * 50 * time.Millisecond)
		if n := left(t, s); n != 0 {
			t.Errorf("%d left in the outbox", n)
		}
	})
}

func TestAPublisherThatConfirmsAllAndFailsIsOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		w.accept = func(n int) (int, int, error) { return n, n, errBroken }
		defer run(t, outbox.New(s, w, outbox.Config{}))()
		add(t, s, "a")
		add(t, s, "a")
		settle(time.Minute)
		w.firstCopies(t, map[string]int64{"a": 2})
	})
}

func TestMistakesInTheWiringPanicAtOnce(t *testing.T) {
	for name, wire := range map[string]func(){
		"no outbox":    func() { outbox.New(nil, &wire{}, outbox.Config{}) },
		"no publisher": func() { outbox.New(memory.New(), nil, outbox.Config{}) },
		"a source too long": func() {
			outbox.New(memory.New(), &wire{}, outbox.Config{Source: strings.Repeat("s", 129)})
		},
		"a bad category":      func() { outbox.New(memory.New(), &wire{}, outbox.Config{Categories: []string{"a.b"}}) },
		"a negative number":   func() { outbox.New(memory.New(), &wire{}, outbox.Config{BatchSize: -1}) },
		"a negative duration": func() { outbox.New(memory.New(), &wire{}, outbox.Config{AuditInterval: -1}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			wire()
		})
	}
}

func TestOfSeveralRelaysOnePublishesAndAnotherTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		wires := []*wire{{}, {}, {}}
		var stops []func()
		for _, w := range wires {
			stops = append(stops, run(t, outbox.New(s, w, outbox.Config{})))
			synctest.Wait()
		}
		arrived := func() (counts []int) {
			for _, w := range wires {
				w.mu.Lock()
				counts = append(counts, len(w.arrived))
				w.mu.Unlock()
			}
			return counts
		}
		for range 10 {
			add(t, s, "a")
			settle(10 * time.Second)
		}
		if got := arrived(); !slices.Equal(got, []int{10, 0, 0}) {
			t.Errorf("published %v, want all by the first", got)
		}
		stops[0]()
		add(t, s, "a")
		settle(2 * time.Second) // it asks every third of 5 s, and the lease was released
		if got := arrived(); got[1]+got[2] != 1 {
			t.Errorf("published %v after the first has stopped", got)
		}
		stops[1]()
		stops[2]()
	})
}

// A process that was killed releases nothing.
func TestARelayThatWasKilledIsSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		if held, err := s.Acquire(t.Context(), "relay", "the one that was killed", 5*time.Second); !held || err != nil {
			t.Fatal(held, err)
		}
		add(t, s, "a")
		defer run(t, outbox.New(s, w, outbox.Config{}))()
		settle(4 * time.Second)
		w.firstCopies(t, map[string]int64{"a": 0})
		settle(3 * time.Second)
		w.firstCopies(t, map[string]int64{"a": 1})
	})
}
