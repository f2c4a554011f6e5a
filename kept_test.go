package eventus_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store/memory"
)

var errFull = errors.New("full")

// upTo4 adds 2 to a counter that has less than 4.
func upTo4(c *counter) error {
	if c.State().Total >= 4 {
		return errFull
	}
	return c.Add(2)
}

// withAndWithoutSnapshots runs a test of a repository over a store that can be
// replaced.
func withAndWithoutSnapshots(t *testing.T, test func(t *testing.T, s *faulty, r *eventus.Repository[*counter])) {
	for name, options := range map[string][]eventus.Option{"plain": nil, "with snapshots": {eventus.WithSnapshotEvery(2)}} {
		t.Run(name, func(t *testing.T) {
			s := &faulty{Store: memory.New()}
			test(t, s, eventus.NewRepository(s, counters, append(options, eventus.WithRetries(0, 1))...))
		})
	}
}

func TestAnUpdateOfAKeptAggregateReadsNothing(t *testing.T) {
	withAndWithoutSnapshots(t, func(t *testing.T, s *faulty, r *eventus.Repository[*counter]) {
		update(t, r, "c", 2, 4, 6, 8, 10)
		update(t, r, "d", 2)
		before := s.calls.Load()
		update(t, r, "c", 12)
		update(t, r, "d", 4)
		if n := s.calls.Load() - before; n != 0 {
			t.Errorf("%d reads, want none", n)
		}
		load(t, r, "c", 42, 6)
		load(t, r, "d", 6, 2)
	})
}

// There are no retries in these tests: to find out that others were faster since
// the last Update is no lost race.
func TestAnUpdateFindsOutThatWhatIsKeptIsOld(t *testing.T) {
	withAndWithoutSnapshots(t, func(t *testing.T, s *faulty, r *eventus.Repository[*counter]) {
		update(t, r, "c", 2)
		update(t, eventus.NewRepository(s, counters), "c", 4, 6)
		update(t, r, "c", 8)
		load(t, r, "c", 20, 4)
	})
}

func TestARefusalIsDecidedOnWhatTheStoreHas(t *testing.T) {
	withAndWithoutSnapshots(t, func(t *testing.T, s *faulty, r *eventus.Repository[*counter]) {
		update(t, r, "c", 2, 2)
		if _, err := r.Update(t.Context(), "c", upTo4); !errors.Is(err, errFull) {
			t.Fatalf("got error %v", err)
		}
		if _, err := eventus.NewRepository(s, counters).Update(t.Context(), "c", (*counter).Clear); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Update(t.Context(), "c", upTo4); err != nil {
			t.Errorf("an update that may go on: %v", err)
		}
		if _, err := r.Update(t.Context(), "c", add(2), eventus.Expect(4)); err != nil {
			t.Errorf("an update that expects the version of the store: %v", err)
		}
		load(t, r, "c", 4, 5)
	})
}

// What is put back has other events than before, as many of them.
func TestAReplacedHistoryIsFoundOut(t *testing.T) {
	withAndWithoutSnapshots(t, func(t *testing.T, s *faulty, r *eventus.Repository[*counter]) {
		update(t, r, "c", 2, 4, 6, 8)
		stale, err := r.Load(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		saved := r.New("d")
		saved.Record(added{By: 2})
		if err := r.Save(t.Context(), saved); err != nil {
			t.Fatal(err)
		}
		s.Store = memory.New()
		other := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(2))
		update(t, other, "c", 20, 40, 60, 80)
		update(t, other, "d", 20)

		for _, c := range []*counter{stale, saved} {
			c.Record(added{By: 2})
			var conflict *eventus.ConflictError
			if err := r.Save(t.Context(), c); !errors.As(err, &conflict) || !conflict.Forked {
				t.Errorf("save of %s of the old history: %v", c.ID(), err)
			}
		}
		got, err := r.Update(t.Context(), "c", add(2))
		if err != nil || got.State().Total != 202 || got.Version() != 5 {
			t.Errorf("update: %+v, error %v", got, err)
		}
		for i := range 3 {
			load(t, r, "c", 202+2*int64(i), 5+int64(i))
			update(t, r, "c", 2)
		}
	})
}

func TestACommandThatIsKeptAndWasLostIsDoneAgain(t *testing.T) {
	withAndWithoutSnapshots(t, func(t *testing.T, s *faulty, r *eventus.Repository[*counter]) {
		once := eventus.CommandID("cmd")
		_, err := r.Update(t.Context(), "c", add(2), once)
		if err != nil {
			t.Fatal(err)
		}
		s.Store = memory.New() // of before the command
		if c, err := r.Update(t.Context(), "c", add(2), once); err != nil || c.State().Total != 2 {
			t.Errorf("%+v, error %v", c, err)
		}
		load(t, r, "c", 2, 1)
	})
}

func TestTheCacheKeepsWhatWasUsedLast(t *testing.T) {
	for _, c := range []struct {
		bytes, from int // the first of 20 aggregates that the cache has
	}{{0, 20}, {1 << 10, 19}, {4 << 10, 17}, {1 << 20, 0}} {
		t.Run(fmt.Sprint(c.bytes), func(t *testing.T) {
			s := &faulty{Store: memory.New()}
			r := eventus.NewRepository(s, counters, eventus.WithCache(c.bytes))
			for i := range 20 {
				update(t, r, fmt.Sprint(i), 2)
			}
			for i := 19; i >= 0; i-- { // from the newest, because an update makes its aggregate larger, and an older one goes
				before := s.calls.Load()
				update(t, r, fmt.Sprint(i), 2)
				if kept := s.calls.Load() == before; kept != (i >= c.from) {
					t.Errorf("aggregate %d is kept: %v", i, kept)
				}
			}
		})
	}
}

func TestAnAggregateThatIsUpdatedOftenStaysInASmallCache(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters, eventus.WithCache(4<<10), eventus.WithSnapshotEvery(2))
	update(t, r, "c", 2)
	before := s.calls.Load()
	for range 100 {
		update(t, r, "c", 2)
	}
	if n := s.calls.Load() - before; n != 0 {
		t.Errorf("%d reads, want none", n)
	}
}

// Two updates meet, and others are always faster. The second one has loaded the
// aggregate itself, so that it has lost a race, and has no try left.
func TestARaceThatIsLostAfterALoadIsATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		appends := 0
		s := &faulty{Store: memory.New(), beforeAppend: func() error {
			appends++
			time.Sleep(time.Millisecond)
			return &eventus.ConflictError{}
		}}
		r := eventus.NewRepository(s, counters, eventus.WithRetries(0, 1))
		for i, got := range meet(t, r, add(2), add(2)) {
			if !errors.Is(got.err, eventus.ErrConflict) {
				t.Errorf("update %d: %v", i, got.err)
			}
		}
		if appends != 2 {
			t.Errorf("%d appends, want 2", appends)
		}
	})
}
