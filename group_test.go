package eventus_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/sqlite"
)

// slow is a store whose appends take a while, so that updates meet.
type slow struct {
	*memory.Store
	pause   time.Duration
	appends atomic.Int64
	fail    func(n int64) error // before the nth append
	stored  func(n int64)       // after it, before anybody knows
}

func (s *slow) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	n := s.appends.Add(1)
	time.Sleep(s.pause)
	if s.fail != nil {
		if err := s.fail(n); err != nil {
			return 0, err
		}
	}
	if s.stored != nil {
		defer s.stored(n)
	}
	return s.Store.Append(ctx, stream, expected, events)
}

// outcome is what an update returned.
type outcome struct {
	version int64
	err     error
}

// meet lets updates of one aggregate begin while another one is being stored, in
// their order, and returns their outcomes.
func meet(t *testing.T, r *eventus.Repository[*counter], decide ...func(*counter) error) []outcome {
	t.Helper()
	outcomes := make([]outcome, len(decide))
	var under sync.WaitGroup
	for i, d := range decide {
		under.Go(func() {
			c, err := r.Update(t.Context(), "c", d)
			outcomes[i].version, outcomes[i].err = versionOf(c, err)
			if err == nil && c.Version() > 0 {
				wantStored(t, r, c)
			}
		})
		synctest.Wait()
	}
	under.Wait()
	return outcomes
}

// wantStored fails if an aggregate is not as it is in the store at its version.
func wantStored(t *testing.T, r *eventus.Repository[*counter], c *counter) {
	t.Helper()
	stored, err := r.LoadVersion(t.Context(), c.ID(), c.Version())
	if err != nil || stored.State().Total != c.State().Total {
		t.Errorf("got total %d at version %d, want that of the store: %d, error %v", c.State().Total, c.Version(), stored.State().Total, err)
	}
}

func TestUpdatesThatMeetAreStoredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		got := meet(t, r, add(2), add(4), add(6), add(8))
		want := []outcome{{1, nil}, {2, nil}, {3, nil}, {4, nil}}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if n := s.appends.Load(); n != 2 {
			t.Errorf("%d appends, want 2: of the first, and of those that waited", n)
		}
		c, err := r.Load(t.Context(), "c")
		if err != nil || c.State().Total != 20 {
			t.Errorf("got %d, error %v", c.State().Total, err)
		}
	})
}

func TestEachUpdateDecidesOnThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		full := errors.New("full")
		limited := func(c *counter) error {
			if c.State().Total >= 4 {
				return full
			}
			return c.Add(2)
		}
		got := meet(t, r, limited, limited, limited, func(*counter) error { return nil }, limited)
		want := []outcome{{1, nil}, {2, nil}, {0, full}, {2, nil}, {0, full}}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// What rests on events that were not stored in the end is decided again.
func TestARefusalOnWhatIsNotStoredIsNone(t *testing.T) {
	for name, failure := range map[string]error{
		"another writer was first": nil,
		"the store refuses":        errors.New("no"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{Store: memory.New(), pause: time.Millisecond}
				s.fail = func(n int64) error {
					if n != 2 || failure != nil {
						return map[bool]error{true: failure}[n == 2]
					}
					other := eventus.NewRepository(s.Store, counters)
					_, err := other.Update(t.Context(), "c", (*counter).Clear)
					return err
				}
				r := eventus.NewRepository(s, counters)
				full := errors.New("full")
				limited := func(c *counter) error {
					if c.State().Total >= 4 {
						return full
					}
					return c.Add(2)
				}
				got := meet(t, r, add(2), limited, limited)
				// The second append has the second update, on which the third was refused.
				// Another writer has set the counter back; or the second was not stored.
				if got[2].err != nil || failure == nil && got[1].err != nil || !errors.Is(got[1].err, failure) {
					t.Errorf("got %v", got)
				}
			})
		})
	}
}

// The state that an append leaves is no state for an update that has begun later:
// another process may have written in between.
func TestAnUpdateSeesWhatWasStoredBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New()}
		s.stored = func(n int64) {
			if n == 1 {
				time.Sleep(time.Second / 2)
			}
		}
		r := eventus.NewRepository(s, counters)
		var under sync.WaitGroup
		under.Go(func() {
			if _, err := r.Update(t.Context(), "c", add(2)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if _, err := eventus.NewRepository(s.Store, counters).Update(t.Context(), "c", (*counter).Clear); err != nil {
			t.Fatal(err)
		}
		var total int64
		version, err := versionOf(r.Update(t.Context(), "c", func(c *counter) error { total = c.State().Total; return nil }))
		if version != 2 || err != nil || total != 0 {
			t.Errorf("version %d, error %v, total %d, want 0: the counter was cleared before", version, err, total)
		}
		under.Wait()
	})
}

func TestAnExpectedVersionHoldsAmongUpdatesThatMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		var under sync.WaitGroup
		var won atomic.Int64
		for range 8 {
			under.Go(func() {
				_, err := r.Update(t.Context(), "c", add(2), eventus.Expect(0))
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, eventus.ErrConflict) {
					t.Error(err)
				}
			})
		}
		under.Wait()
		if won.Load() != 1 {
			t.Errorf("%d updates have seen version 0", won.Load())
		}
	})
}

func TestAPanicOfADecisionIsItsCallersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		panicked := false
		got := meet(t, r, add(2), add(4), func(c *counter) error { c.Record(added{By: 100}); return nil })
		if got[2].version != 3 {
			t.Fatalf("got %v", got)
		}
		var under sync.WaitGroup
		under.Go(func() { _, _ = r.Update(t.Context(), "c", add(2)) })
		synctest.Wait()
		under.Go(func() {
			defer func() { panicked = recover() != nil }()
			_, _ = r.Update(t.Context(), "c", func(c *counter) error { c.Record(added{By: 1000}); panic("decide") })
		})
		synctest.Wait()
		under.Go(func() {
			if version, err := versionOf(r.Update(t.Context(), "c", add(2))); version != 5 || err != nil {
				t.Errorf("the update after the panic: version %d, error %v", version, err)
			}
		})
		under.Wait()
		if c, err := r.Load(t.Context(), "c"); !panicked || err != nil || c.State().Total != 110 {
			t.Errorf("panicked %v, total %d, error %v", panicked, c.State().Total, err)
		}
	})
}

// A line that moves is waited for, however long it is: all that went on by themselves
// would race each other, and decide again and again.
func TestALineThatMovesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 200
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		var decided atomic.Int64
		var under sync.WaitGroup
		for range crowd {
			under.Go(func() {
				if _, err := r.Update(t.Context(), "c", func(c *counter) error {
					decided.Add(1)
					time.Sleep(100 * time.Millisecond)
					return c.Add(2)
				}); err != nil {
					t.Error(err)
				}
			})
		}
		under.Wait()
		if n := decided.Load(); n != crowd {
			t.Errorf("%d decisions, want %d", n, crowd)
		}
		if c, err := r.Load(t.Context(), "c"); err != nil || c.State().Total != 2*crowd {
			t.Errorf("total %d, error %v", c.State().Total, err)
		}
	})
}

// Whoever has decided does not wait for a decision behind it that takes long, and
// that one is not lost.
func TestALongDecisionKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		started := time.Now()
		took := make([]time.Duration, 5)
		timed := func(i int, pause time.Duration) func(*counter) error {
			return func(c *counter) error {
				time.Sleep(pause)
				return c.Add(2)
			}
		}
		var under sync.WaitGroup
		for i, pause := range []time.Duration{0, 0, time.Hour, 0, 0} {
			under.Go(func() {
				if _, err := r.Update(t.Context(), "c", timed(i, pause)); err != nil {
					t.Error(err)
				}
				took[i] = time.Since(started)
			})
			synctest.Wait()
		}
		under.Wait()
		for i, d := range took {
			if i != 2 && d > 3*time.Second {
				t.Errorf("update %d took %v", i, d)
			}
		}
		c, err := r.Load(t.Context(), "c")
		if err != nil || c.State().Total != 10 {
			t.Errorf("total %d, error %v", c.State().Total, err)
		}
	})
}

func TestACallerThatGivesUpLeavesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Second / 2}
		r := eventus.NewRepository(s, counters)
		var under sync.WaitGroup
		for i := range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if i == 2 {
				ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			}
			defer cancel()
			under.Go(func() {
				_, err := r.Update(ctx, "c", add(2))
				if errors.Is(err, context.DeadlineExceeded) != (i == 2) || errors.Is(err, eventus.ErrOutcomeUnknown) {
					t.Errorf("update %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		under.Wait()
		if c, err := r.Load(t.Context(), "c"); err != nil || c.State().Total != 6 {
			t.Errorf("total %d, error %v", c.State().Total, err)
		}
	})
}

// A caller whose time is up while others store its events does not know.
func TestACallerThatGivesUpWhileItIsStoredDoesNotKnow(t *testing.T) {
	for impatient := 1; impatient <= 2; impatient++ { // the last one is the one to store the group
		t.Run(fmt.Sprint(impatient), func(t *testing.T) { giveUpWhileStored(t, impatient) })
	}
}

func giveUpWhileStored(t *testing.T, impatient int) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Second / 2}
		r := eventus.NewRepository(s, counters)
		var under sync.WaitGroup
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if i == impatient {
				ctx, cancel = context.WithTimeout(t.Context(), 600*time.Millisecond)
			}
			defer cancel()
			under.Go(func() {
				_, err := r.Update(ctx, "c", add(2))
				if errors.Is(err, eventus.ErrOutcomeUnknown) != (i == impatient) || errors.Is(err, context.DeadlineExceeded) != (i == impatient) {
					t.Errorf("update %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		under.Wait()
		if c, err := r.Load(t.Context(), "c"); err != nil || c.State().Total != 6 {
			t.Errorf("total %d, error %v", c.State().Total, err)
		}
	})
}

// Aggregates of updates that meet share nothing: each may be kept and read after
// its update, while others write.
func TestAggregatesOfUpdatesThatMeetAreTheirOwn(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters, eventus.WithSnapshotEvery(7))
	var under sync.WaitGroup
	for w := range 8 {
		under.Go(func() {
			for range 50 {
				var kept *counter
				if _, err := r.Update(t.Context(), "c", func(c *counter) error {
					kept = c
					c.Record(added{By: 1, Note: fmt.Sprint(w)})
					return nil
				}); err != nil {
					t.Error(err)
					return
				}
				sum := int64(0)
				for _, n := range kept.State().Notes {
					sum += n
				}
				if sum != kept.State().Total || kept.Version() != kept.State().Total {
					t.Errorf("an aggregate at version %d has a total of %d, of %d in its notes", kept.Version(), kept.State().Total, sum)
				}
			}
		})
	}
	under.Wait()
}

// TestUpdatesOfSeveralProcessesMeet has repositories with turns of their own, as
// those of several processes, on one counter that must not exceed a limit.
func TestUpdatesOfSeveralProcessesMeet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	const limit, workers, tries = 200, 6, 40
	full := errors.New("full")
	var under sync.WaitGroup
	var stored atomic.Int64
	for process := range 3 {
		db := open(t, path)
		s, err := sqlite.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(50), eventus.WithRetries(1000, time.Millisecond))
		for w := range workers {
			random := rand.New(rand.NewPCG(uint64(process), uint64(w)))
			under.Go(func() {
				for range tries {
					by := int64(1 + random.IntN(3))
					_, err := r.Update(t.Context(), "c", func(c *counter) error {
						if c.State().Total+by > limit {
							return full
						}
						c.Record(added{By: by})
						return nil
					})
					if err == nil {
						stored.Add(by)
					} else if err != full {
						t.Error(err)
					}
				}
			})
		}
	}
	under.Wait()
	s, err := sqlite.Open(t.Context(), open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	c, err := eventus.NewRepository(s, counters).Load(t.Context(), "c")
	if err != nil || c.State().Total != stored.Load() || c.State().Total > limit || c.State().Total < limit-2 {
		t.Errorf("the counter is at %d, the updates were told of %d, the limit is %d; error %v", c.State().Total, stored.Load(), limit, err)
	}
}

func open(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
