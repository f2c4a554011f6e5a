package eventus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/google/go-cmp/cmp"
)

// faulty is a real store with a fault at a chosen place.
type faulty struct {
	*memory.Store
	beforeAppend  func() error
	readSnapshot  func() error
	writeSnapshot func() error
	reads         atomic.Int64 // messages handed out
}

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (f *faulty) Append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := call(f.beforeAppend); err != nil {
		return 0, err
	}
	return f.Store.Append(ctx, s, expected, events)
}

func (f *faulty) Read(ctx context.Context, s store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := f.Store.Read(ctx, s, after, limit)
	f.reads.Add(int64(len(page)))
	return page, err
}

func (f *faulty) ReadSnapshot(ctx context.Context, s store.Stream, schema, limit int) (store.Snapshot, []store.Message, error) {
	if err := call(f.readSnapshot); err != nil {
		return store.Snapshot{}, nil, err
	}
	snap, page, err := f.Store.ReadSnapshot(ctx, s, schema, limit)
	f.reads.Add(int64(len(page)))
	return snap, page, err
}

func (f *faulty) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if err := call(f.writeSnapshot); err != nil {
		return err
	}
	return f.Store.WriteSnapshot(ctx, snap)
}

func add(by int64) func(*counter) error {
	return func(c *counter) error { return c.Add(by) }
}

func update(t *testing.T, r *eventus.Repository[*counter], id string, by ...int64) {
	t.Helper()
	for _, by := range by {
		if _, err := r.Update(t.Context(), id, add(by)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUpdateStoresWhatWasDecided(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	update(t, r, "c", 2, 4)
	c, err := r.Load(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if c.State().Total != 6 || c.Version() != 2 || c.ID() != "c" || len(c.Recorded()) != 0 {
		t.Errorf("total %d, version %d, id %q, recorded %v", c.State().Total, c.Version(), c.ID(), c.Recorded())
	}
}

func TestUpdateReturnsTheVersionAfterIt(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	for i, c := range []struct {
		decide func(*counter) error
		want   int64
	}{
		{add(2), 1},
		{func(c *counter) error { return errors.Join(c.Add(2), c.Add(4)) }, 3},
		{func(*counter) error { return nil }, 3},
		{func(c *counter) error { return errors.Join(c.Add(2), errors.New("refused")) }, 0},
	} {
		version, err := versionOf(r.Update(t.Context(), "c", c.decide))
		if version != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("update %d: version %d, error %v, want version %d", i, version, err, c.want)
		}
	}
}

func TestARefusedDecisionStoresNothing(t *testing.T) {
	s := memory.New()
	r := eventus.NewRepository(s, counters)
	_, err := r.Update(t.Context(), "c", func(c *counter) error {
		c.Record(added{By: 2})
		return errOdd
	})
	if err != errOdd {
		t.Errorf("got %v, want the decision's error as it is", err)
	}
	if _, err := r.Load(t.Context(), "c"); !errors.Is(err, eventus.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestADecisionThatRecordsNothingWritesNothing(t *testing.T) {
	s := &faulty{Store: memory.New(), beforeAppend: func() error { return errors.New("appended") }}
	r := eventus.NewRepository(s, counters)
	if _, err := r.Update(t.Context(), "c", (*counter).Clear); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(t.Context(), r.New("c")); err != nil {
		t.Fatal(err)
	}
}

// The defect of two Go libraries: the events are taken off the aggregate before
// the append, so that the second try has nothing to save and reports success.
func TestARefusedSaveKeepsTheEventsOnTheAggregate(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters)
	c := r.New("c")
	if err := c.Add(2); err != nil {
		t.Fatal(err)
	}
	down := errors.New("connection refused")
	s.beforeAppend = func() error { return down }
	if err := r.Save(t.Context(), c); !errors.Is(err, down) {
		t.Fatalf("got %v", err)
	}
	if len(c.Recorded()) != 1 {
		t.Fatalf("recorded %v", c.Recorded())
	}
	s.beforeAppend = nil
	if err := r.Save(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if loaded, err := r.Load(t.Context(), "c"); err != nil || loaded.State().Total != 2 {
		t.Fatalf("%v, %v", loaded, err)
	}
}

func TestASaveOnAnOldStateIsAConflict(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	update(t, r, "c", 2)
	first, err := r.Load(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	update(t, r, "c", 4, 6)
	if err := first.Add(8); err != nil {
		t.Fatal(err)
	}
	// More than once: a retry of the save alone must not report success.
	for range 2 {
		err = r.Save(t.Context(), first)
		var conflict *eventus.ConflictError
		if !errors.Is(err, eventus.ErrConflict) || !errors.As(err, &conflict) {
			t.Fatalf("got %v", err)
		}
		want := eventus.ConflictError{Stream: eventus.Stream{Category: "counter", ID: "c"}, Expected: 1, Actual: 3}
		if *conflict != want {
			t.Errorf("got %+v, want %+v", *conflict, want)
		}
		if got, want := err.Error(), "save counter c: expected version 1, have 3"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The pauses of Update are time of a bubble, so that a test of what loses every
// race waits for nothing.
func TestUpdateWaitsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &faulty{Store: memory.New()}
		s.beforeAppend = func() error {
			_, err := s.Store.Append(t.Context(), store.Stream{Category: "counter", ID: "c"}, store.Any,
				[]store.Event{{ID: "e", Type: "counter.added", ContentType: "application/json", Data: []byte(`{"by":2}`), Time: time.Now()}})
			return err
		}
		began, tries := time.Now(), 0
		_, err := eventus.NewRepository(s, counters, eventus.WithRetries(20, time.Hour)).Update(t.Context(), "c", func(c *counter) error {
			tries++
			return c.Add(2)
		})
		if !errors.Is(err, eventus.ErrConflict) || tries != 21 || !time.Now().After(began) {
			t.Errorf("got %v after %d tries, and no pause in %v", err, tries, time.Since(began))
		}
	})
}

func TestUpdateDecidesAgainOnFreshState(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters, eventus.WithRetries(3, time.Microsecond))
	other := eventus.NewRepository(s.Store, counters)
	var seen []int64
	losses := 2
	s.beforeAppend = func() error {
		if losses--; losses >= 0 {
			update(t, other, "c", 10)
		}
		return nil
	}
	_, err := r.Update(t.Context(), "c", func(c *counter) error {
		seen = append(seen, c.State().Total)
		return c.Add(2)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{0, 10, 20}, seen); diff != "" {
		t.Errorf("totals the decision saw (-want +got):\n%s", diff)
	}
	if c, err := r.Load(t.Context(), "c"); err != nil || c.State().Total != 22 {
		t.Errorf("%v, %v", c, err)
	}
}

func TestUpdateGivesUpAfterItsRetries(t *testing.T) {
	s := &faulty{Store: memory.New()}
	other := eventus.NewRepository(s.Store, counters)
	s.beforeAppend = func() error { update(t, other, "c", 10); return nil }
	for retries, wantTries := range map[int]int{0: 1, 3: 4} {
		tries := 0
		r := eventus.NewRepository(s, counters, eventus.WithRetries(retries, time.Microsecond))
		_, err := r.Update(t.Context(), "c", func(c *counter) error { tries++; return c.Add(2) })
		if !errors.Is(err, eventus.ErrConflict) || tries != wantTries {
			t.Errorf("%d retries: %d tries, %v", retries, tries, err)
		}
	}
}

// inTransaction is a store bound to a transaction of its caller.
type inTransaction struct{ *faulty }

func (inTransaction) InTransaction() {}

func TestUpdateInACallersTransactionIsNotRetried(t *testing.T) {
	s := &faulty{Store: memory.New()}
	other := eventus.NewRepository(s.Store, counters)
	s.beforeAppend = func() error { update(t, other, "c", 10); return nil }
	r := eventus.NewRepository(inTransaction{s}, counters, eventus.WithRetries(5, time.Microsecond))
	tries := 0
	_, err := r.Update(t.Context(), "c", func(c *counter) error { tries++; return c.Add(2) })
	if !errors.Is(err, eventus.ErrConflict) || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestUpdateWhoseTimeIsUpTellsOfTheConflict(t *testing.T) {
	s := &faulty{Store: memory.New()}
	other := eventus.NewRepository(s.Store, counters)
	ctx, cancel := context.WithCancel(t.Context())
	s.beforeAppend = func() error { update(t, other, "c", 10); cancel(); return nil }
	r := eventus.NewRepository(unstoppable{s}, counters, eventus.WithRetries(3, time.Hour))
	_, err := r.Update(ctx, "c", add(2))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, eventus.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

// unstoppable is a store that finishes what it has begun.
type unstoppable struct{ store.Store }

func (u unstoppable) Append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	return u.Store.Append(context.WithoutCancel(ctx), s, expected, events)
}

func TestUpdateDoesNotRepeatWhatMayHaveHappened(t *testing.T) {
	s := &faulty{Store: memory.New(), beforeAppend: func() error { return errors.New("connection reset") }}
	r := eventus.NewRepository(s, counters)
	tries := 0
	_, err := r.Update(t.Context(), "c", func(c *counter) error { tries++; return c.Add(2) })
	if err == nil || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

// lossy is a store whose connection is lost now and then: before an append is
// stored, or after.
type lossy struct {
	*memory.Store
	lose func() (before, after bool)
}

func (l *lossy) Append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	before, after := l.lose()
	lost := fmt.Errorf("%w: connection reset", store.ErrOutcomeUnknown)
	if before {
		return 0, lost
	}
	version, err := l.Store.Append(ctx, s, expected, events)
	if after {
		return 0, lost
	}
	return version, err
}

func TestAnAppendWithAnUnknownOutcomeIsRepeated(t *testing.T) {
	for name, lose := range map[string]func(try int) (before, after bool){
		"it is stored":                func(try int) (bool, bool) { return false, try == 1 },
		"it is not stored":            func(try int) (bool, bool) { return try == 1, false },
		"it is stored the fifth time": func(try int) (bool, bool) { return try < 5, try < 8 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				try, decided := 0, 0
				s := &lossy{memory.New(), func() (bool, bool) { try++; return lose(try) }}
				r := eventus.NewRepository(s, counters)
				if _, err := r.Update(t.Context(), "c", func(c *counter) error { decided++; return c.Add(2) }); err != nil || decided != 1 {
					t.Fatalf("decided %d times, error %v", decided, err)
				}
				if c, err := r.Load(t.Context(), "c"); err != nil || c.Version() != 1 || c.State().Total != 2 {
					t.Errorf("%+v, %v", c, err)
				}
			})
		})
	}
	t.Run("another writer is first: it is decided again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			try := 0
			s := &lossy{Store: memory.New()}
			other := eventus.NewRepository(s.Store, counters)
			s.lose = func() (bool, bool) {
				if try++; try == 2 {
					update(t, other, "c", 4)
				}
				return try == 1, false
			}
			r := eventus.NewRepository(s, counters)
			if _, err := r.Update(t.Context(), "c", add(2)); err != nil {
				t.Fatal(err)
			}
			if c, err := r.Load(t.Context(), "c"); err != nil || c.State().Total != 6 {
				t.Errorf("%+v, %v", c, err)
			}
		})
	})
	t.Run("the store does not come back: the outcome is unknown, and to save again is safe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gone := true
			s := &lossy{memory.New(), func() (bool, bool) { return false, gone }}
			r := eventus.NewRepository(s, counters)
			c := r.New("c")
			if err := c.Add(2); err != nil {
				t.Fatal(err)
			}
			if err := r.Save(t.Context(), c); !errors.Is(err, eventus.ErrOutcomeUnknown) {
				t.Fatalf("got error %v", err)
			}
			gone = false
			if err := r.Save(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if c, err := r.Load(t.Context(), "c"); err != nil || c.Version() != 1 {
				t.Errorf("%+v, %v", c, err)
			}
		})
	})
}

func TestAStaleExpectedVersionIsRefusedAtOnce(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	update(t, r, "c", 2, 4)
	for _, expected := range []int64{-1, 0, 1, 3} {
		tries := 0
		_, err := r.Update(t.Context(), "c", func(c *counter) error { tries++; return c.Add(2) }, eventus.Expect(expected))
		var conflict *eventus.ConflictError
		if !errors.As(err, &conflict) || conflict.Actual != 2 || int64(conflict.Expected) != expected || tries != 0 {
			t.Errorf("expect %d: %d tries, %v", expected, tries, err)
		}
	}
	if _, err := r.Update(t.Context(), "c", add(2), eventus.Expect(2)); err != nil {
		t.Error(err)
	}
	if _, err := r.Update(t.Context(), "new", add(2), eventus.Expect(0)); err != nil {
		t.Error(err)
	}
}

func TestAnExpectedVersionThatGoesStaleIsNotRetried(t *testing.T) {
	s := &faulty{Store: memory.New()}
	other := eventus.NewRepository(s.Store, counters)
	r := eventus.NewRepository(s, counters)
	update(t, r, "c", 2)
	s.beforeAppend = func() error { update(t, other, "c", 10); return nil }
	tries := 0
	_, err := r.Update(t.Context(), "c", func(c *counter) error { tries++; return c.Add(2) }, eventus.Expect(1))
	if !errors.Is(err, eventus.ErrConflict) || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestMetadataTimeAndIDsAreStoredWithEachEvent(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("far", 9*3600))
	ids := 0
	r := eventus.NewRepository(memory.New(), counters,
		eventus.WithClock(func() time.Time { return now }),
		eventus.WithIDs(func() string { ids++; return fmt.Sprintf("id-%d", ids) }))
	ctx := eventus.ContextWithCorrelationID(t.Context(), "request")
	ctx = eventus.ContextWithCausationID(ctx, "command")
	ctx = eventus.ContextWithActor(ctx, "ada")
	ctx = eventus.ContextWithField(ctx, "traceparent", "00-1-2-03")
	_, err := r.Update(ctx, "c", func(c *counter) error {
		return errors.Join(c.Add(2), c.Add(4))
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []eventus.Message[countEvent]
	for m, err := range eventus.History(t.Context(), r, "c") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	message := eventus.Message[countEvent]{
		ID: "id-1", Stream: eventus.Stream{Category: "counter", ID: "c"}, Version: 1, Position: 1,
		Time: now.UTC().Truncate(time.Microsecond), Type: "counter.added",
		Metadata: eventus.Metadata{CorrelationID: "request", CausationID: "command", Actor: "ada", Fields: map[string]string{"traceparent": "00-1-2-03"}},
		Event:    added{By: 2},
	}
	second := message
	second.ID, second.Version, second.Position, second.Event = "id-2", 2, 2, added{By: 4}
	if diff := cmp.Diff([]eventus.Message[countEvent]{message, second}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetadataOfAContextIsNotShared(t *testing.T) {
	fields := map[string]string{"a": "1"}
	ctx := eventus.ContextWithMetadata(t.Context(), eventus.Metadata{Fields: fields})
	fields["a"] = "2"
	eventus.MetadataFrom(ctx).Fields["a"] = "3"
	eventus.ContextWithField(ctx, "a", "4")
	if got := eventus.MetadataFrom(ctx).Fields["a"]; got != "1" {
		t.Errorf("got %q", got)
	}
}

func TestTimeTravel(t *testing.T) {
	now := time.Unix(1000, 0)
	r := eventus.NewRepository(memory.New(), counters, eventus.WithClock(func() time.Time { return now }))
	for range 3 {
		update(t, r, "c", 2)
		now = now.Add(time.Second)
	}
	for version, want := range map[int64]int64{1: 2, 2: 4, 3: 6} {
		if c, err := r.LoadVersion(t.Context(), "c", version); err != nil || c.State().Total != want || c.Version() != version {
			t.Errorf("at version %d: %v, %v", version, c, err)
		}
	}
	for _, version := range []int64{-1, 0, 4} {
		if _, err := r.LoadVersion(t.Context(), "c", version); !errors.Is(err, eventus.ErrNotFound) {
			t.Errorf("at version %d: %v", version, err)
		}
	}
	for after, want := range map[time.Duration]int64{0: 1, 999 * time.Millisecond: 1, time.Second: 2, time.Hour: 3} {
		if c, err := r.LoadAsOf(t.Context(), "c", time.Unix(1000, 0).Add(after)); err != nil || c.Version() != want {
			t.Errorf("as of %v: %v, %v", after, c, err)
		}
	}
	if _, err := r.LoadAsOf(t.Context(), "c", time.Unix(999, 0)); !errors.Is(err, eventus.ErrNotFound) {
		t.Errorf("before the beginning: %v", err)
	}
	past, err := r.LoadVersion(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	past.Record(added{By: 2})
	if err := r.Save(t.Context(), past); !errors.Is(err, eventus.ErrConflict) {
		t.Errorf("the past was changed: %v", err)
	}
}

func TestHistoryStopsWhereTheLoopDoes(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters)
	fill(t, s, "c", 1200)
	n := 0
	for range eventus.History(t.Context(), r, "c") {
		if n++; n == 3 {
			break
		}
	}
	if got := s.reads.Load(); n != 3 || got > 500 {
		t.Errorf("%d yielded, %d read", n, got)
	}
	for range eventus.History(t.Context(), r, "c") {
		n++
	}
	if n != 1203 {
		t.Errorf("%d yielded", n)
	}
	var versions []int64
	for m := range eventus.History(t.Context(), r, "c", eventus.AfterVersion(1198)) {
		versions = append(versions, m.Version)
	}
	if !slices.Equal(versions, []int64{1199, 1200}) {
		t.Errorf("after version 1198: %v", versions)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range eventus.History(ctx, r, "c") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
}

// fill appends n events straight to the store.
func fill(t testing.TB, s store.Store, id string, n int) {
	t.Helper()
	event, err := counters.Encode(added{By: 2})
	if err != nil {
		t.Fatal(err)
	}
	event.ID, event.Time = "e", time.Now()
	for n > 0 {
		batch := make([]store.Event, min(n, store.MaxEvents))
		for i := range batch {
			batch[i] = event
		}
		if _, err := s.Append(context.Background(), store.Stream{Category: "counter", ID: id}, store.Any, batch); err != nil {
			t.Fatal(err)
		}
		n -= len(batch)
	}
}

func TestIDsThatNoStoreTakesAreRefused(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	for name, id := range map[string]string{
		"empty":    "",
		"too long": string(make([]byte, 10_000)),
		"NUL":      "a\x00b",
		"no UTF-8": "a\xffb",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Update(t.Context(), id, add(2)); !errors.Is(err, eventus.ErrInvalid) {
				t.Errorf("update: %v", err)
			}
			c := r.New(id)
			c.Record(added{By: 2})
			if err := r.Save(t.Context(), c); !errors.Is(err, eventus.ErrInvalid) {
				t.Errorf("save: %v", err)
			}
			if _, err := r.Load(t.Context(), id); !errors.Is(err, eventus.ErrInvalid) {
				t.Errorf("load: %v", err)
			}
		})
	}
}

func TestAnAggregateThatNoRepositoryMadeCannotBeSaved(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	var c counter
	c.Record(added{By: 2})
	if err := r.Save(t.Context(), &c); err == nil {
		t.Error("saved under no id")
	}
}

func TestConcurrentUpdatesAllCount(t *testing.T) {
	const workers, each, aggregates = 16, 100, 5
	r := eventus.NewRepository(memory.New(), counters)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if _, err := r.Update(t.Context(), fmt.Sprint((w+i)%aggregates), add(2)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var total int64
	for i := range aggregates {
		c, err := r.Load(t.Context(), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		if c.State().Total != 2*c.Version() {
			t.Errorf("total %d at version %d", c.State().Total, c.Version())
		}
		total += c.State().Total
	}
	if total != 2*workers*each {
		t.Errorf("total %d, want %d", total, 2*workers*each)
	}
}

func TestAWrongRepositoryPanicsAndSaysWhatToDo(t *testing.T) {
	none := (*eventus.Definition[*counter, countEvent])(nil)
	for want, make := range map[string]func(){
		"it needs a store":                 func() { eventus.NewRepository(nil, counters) },
		"pass the one from eventus.Define": func() { eventus.NewRepository(memory.New(), none) },
		"leave it out":                     func() { eventus.NewRepository(memory.New(), counters, nil) },
		"WithSnapshotEvery(-1)":            func() { eventus.NewRepository(memory.New(), counters, eventus.WithSnapshotEvery(-1)) },
		"versions begin at 1": func() {
			eventus.NewRepository(memory.New(), counters, eventus.WithSnapshotEvery(1), eventus.WithSnapshotVersion(0))
		},
		"there are no snapshots":               func() { eventus.NewRepository(memory.New(), counters, eventus.WithSnapshotVersion(2)) },
		"WithRetries(-1, 1ms)":                 func() { eventus.NewRepository(memory.New(), counters, eventus.WithRetries(-1, time.Millisecond)) },
		"WithRetries(1, 0s)":                   func() { eventus.NewRepository(memory.New(), counters, eventus.WithRetries(1, 0)) },
		"a clock, a source of ids or a logger": func() { eventus.NewRepository(memory.New(), counters, eventus.WithClock(nil)) },
		"keeps no snapshots; leave out WithSnapshotEvery": func() {
			eventus.NewRepository(struct{ store.Store }{memory.New()}, counters, eventus.WithSnapshotEvery(1))
		},
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("got panic %q, want %q in it", got, want)
				}
			}()
			make()
		})
	}
}
