package eventus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func load(t *testing.T, r *eventus.Repository[*counter], id string, wantTotal, wantVersion int64) {
	t.Helper()
	c, err := r.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if c.State().Total != wantTotal || c.Version() != wantVersion {
		t.Errorf("total %d at version %d, want %d at %d", c.State().Total, c.Version(), wantTotal, wantVersion)
	}
}

func TestASnapshotSparesTheReplay(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10))
	for range 25 {
		update(t, r, "c", 2)
	}
	s.reads.Store(0)
	load(t, r, "c", 50, 25)
	if got := s.reads.Load(); got != 5 {
		t.Errorf("%d messages read, want the 5 after the snapshot at version 20", got)
	}
}

func TestASaveOfManyEventsTakesOneSnapshotAtItsEnd(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10))
	_, err := r.Update(t.Context(), "c", func(c *counter) error {
		for range 25 {
			c.Record(added{By: 2, Note: "n"})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.reads.Store(0)
	load(t, r, "c", 50, 25)
	if got := s.reads.Load(); got != 0 {
		t.Errorf("%d messages read after the snapshot at version 25", got)
	}
	c, err := r.Load(t.Context(), "c")
	if err != nil || c.State().Notes["n"] != 50 {
		t.Errorf("%+v, %v", c.State(), err)
	}
}

func TestLoadAtBeginsWithTheSnapshot(t *testing.T) {
	s := &faulty{Store: memory.New()}
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10))
	for range 25 {
		update(t, r, "c", 2)
	}
	for _, c := range []struct{ version, reads int64 }{{25, 5}, {23, 3}, {20, 0}, {19, 19}, {1, 1}} {
		s.reads.Store(0)
		got, err := r.LoadVersion(t.Context(), "c", c.version)
		if err != nil || got.Version() != c.version || got.State().Total != 2*c.version {
			t.Errorf("at %d: %+v, %v", c.version, got, err)
		}
		if n := s.reads.Load(); n != c.reads {
			t.Errorf("at %d: %d messages read, want %d", c.version, n, c.reads)
		}
	}
	if _, err := r.LoadVersion(t.Context(), "c", 26); !errors.Is(err, eventus.ErrNotFound) {
		t.Errorf("got error %v", err)
	}
	s.readSnapshot = func() error { return errors.New("damaged") }
	if got, err := r.LoadVersion(t.Context(), "c", 23); err != nil || got.Version() != 23 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The clock goes back after event 15, whose time is later than that of every other.
func TestLoadAsOfBeginsWithTheSnapshotIfNoEventInItIsLater(t *testing.T) {
	s := &faulty{Store: memory.New()}
	clock := time.Unix(1000, 0)
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10), eventus.WithClock(func() time.Time { return clock }))
	plain := eventus.NewRepository(s, counters)
	at := func(version int64) time.Time {
		if version == 15 {
			return time.Unix(2000, 0)
		}
		return time.Unix(1000+version, 0)
	}
	asOf := func(when time.Time, version, reads int64) {
		t.Helper()
		want, err := plain.LoadAsOf(t.Context(), "c", when)
		if err != nil || want.Version() != version {
			t.Fatalf("as of %v: %+v, %v, want version %d", when.Unix(), want, err, version)
		}
		s.reads.Store(0)
		got, err := r.LoadAsOf(t.Context(), "c", when)
		if err != nil || got.Version() != version || got.State().Total != 2*version {
			t.Errorf("as of %v: %+v, %v, want version %d", when.Unix(), got, err, version)
		}
		if n := s.reads.Load(); n != reads {
			t.Errorf("as of %v: %d messages read, want %d", when.Unix(), n, reads)
		}
	}
	upTo := func(version int64) {
		t.Helper()
		for i := version - 9; i <= version; i++ {
			clock = at(i)
			update(t, r, "c", 2)
		}
	}
	upTo(10)
	asOf(at(10), 10, 0) // the snapshot is as old as that
	asOf(at(9), 9, 10)
	upTo(20)
	asOf(at(20), 14, 20) // event 15 is in the snapshot, and later
	asOf(at(15), 20, 0)
	upTo(30) // the snapshot of before tells the next one of the time of event 15
	asOf(at(30), 14, 30)
	asOf(at(15), 30, 0)

	old, _, err := s.Store.ReadSnapshot(t.Context(), store.Stream{Category: "counter", ID: "c"}, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	upTo(40)
	old.EventID = eventID(t, s, old.Stream, 40)
	old.Version, old.Latest, old.Data = 40, time.Time{}, []byte(`{"total":80}`)
	s.Store = rewritten(t, s.Store, old) // of a program that did not know of times
	r = eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10), eventus.WithClock(func() time.Time { return clock }))
	asOf(at(15), 40, 40)
	upTo(50)
	asOf(at(15), 50, 50)
}

// rewritten returns a copy of the log with another snapshot.
func rewritten(t *testing.T, from *memory.Store, snap store.Snapshot) *memory.Store {
	t.Helper()
	to := memory.New()
	messages, err := from.Read(t.Context(), snap.Stream, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if _, err := to.Append(t.Context(), m.Stream, store.Any, []store.Event{m.Event}); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.WriteSnapshot(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	return to
}

// An append that is repeated was stored with the time of the first attempt, which
// can be later than that of the last.
func TestASnapshotKnowsTheTimeOfTheFirstAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &lostAnswer{Store: memory.New(), lost: cancel}
	clock := time.Unix(2000, 0)
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(1), eventus.WithClock(func() time.Time { return clock }))
	c := r.New("c")
	c.Record(added{By: 2})
	if err := r.Save(ctx, c); !errors.Is(err, eventus.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	clock = time.Unix(1000, 0)
	if err := r.Save(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	snap, _, err := s.ReadSnapshot(t.Context(), store.Stream{Category: "counter", ID: "c"}, 1, 1)
	if err != nil || snap.Version != 1 || !snap.Latest.Equal(time.Unix(2000, 0)) {
		t.Errorf("%+v, %v", snap, err)
	}
}

// lostAnswer stores the first append, and its caller does not get to know.
type lostAnswer struct {
	*memory.Store
	lost func()
}

func (l *lostAnswer) Append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := l.Store.Append(ctx, s, expected, events)
	if l.lost != nil {
		l.lost()
		l.lost = nil
		return 0, eventus.ErrOutcomeUnknown
	}
	return version, err
}

func eventID(t *testing.T, r store.Reader, s store.Stream, version int64) string {
	t.Helper()
	page, err := r.Read(t.Context(), s, version-1, 1)
	if err != nil || len(page) != 1 {
		t.Fatalf("read version %d of %s: %d messages, error %v", version, s, len(page), err)
	}
	return page[0].ID
}

func TestAnUnusableSnapshotMeansReplay(t *testing.T) {
	stream := store.Stream{Category: "counter", ID: "c"}
	good := store.Snapshot{Stream: stream, Schema: 1, Version: 3, ContentType: "application/json", Data: []byte(`{"total":6}`)}
	for name, spoil := range map[string]func(s *faulty, snap *store.Snapshot){
		"data that does not decode": func(_ *faulty, snap *store.Snapshot) { snap.Data = []byte(`{"total":`) },
		"a field the state has not": func(_ *faulty, snap *store.Snapshot) { snap.Data = []byte(`{"sum":6}`) },
		"null":                      func(_ *faulty, snap *store.Snapshot) { snap.Data = []byte(`null`) },
		"a content type not known":  func(_ *faulty, snap *store.Snapshot) { snap.ContentType = "application/xml" },
		"another declared version":  func(_ *faulty, snap *store.Snapshot) { snap.Schema = 2; snap.Data = []byte(`{"total":1}`) },
		"a store that fails to read": func(s *faulty, _ *store.Snapshot) {
			s.readSnapshot = func() error { return errors.New("corrupt page") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &faulty{Store: memory.New()}
			fill(t, s, "c", 5)
			snap := good
			snap.EventID = eventID(t, s, stream, 3)
			spoil(s, &snap)
			if err := s.WriteSnapshot(t.Context(), snap); err != nil {
				t.Fatal(err)
			}
			load(t, eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(100)), "c", 10, 5)
		})
	}
}

func TestAnotherDeclaredVersionHasSnapshotsOfItsOwn(t *testing.T) {
	s := &faulty{Store: memory.New()}
	v1 := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(2))
	v2 := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(2), eventus.WithSnapshotVersion(2))
	for range 3 {
		update(t, v1, "c", 2)
		update(t, v2, "c", 2)
	}
	load(t, v1, "c", 12, 6)
	load(t, v2, "c", 12, 6)
}

func TestAFailingSnapshotFailsNoSave(t *testing.T) {
	s := &faulty{Store: memory.New(), writeSnapshot: func() error { return errors.New("disk full") }}
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(1))
	update(t, r, "c", 2, 4)
	load(t, r, "c", 6, 2)
}

type unencodable struct {
	Total int64
	F     func()
}

type bumped struct{}

func (bumped) Apply(s *unencodable) { s.Total++ }

type bumpEvent interface{ eventus.Event[unencodable] }

type bump struct {
	eventus.Aggregate[unencodable, bumpEvent]
}

func TestAStateThatCannotBeEncodedFailsNoSave(t *testing.T) {
	bumps := eventus.Define("bump", eventus.New[bump], eventus.Type[bumped]("bumped"))
	r := eventus.NewRepository(memory.New(), bumps, eventus.WithSnapshotEvery(1))
	_, err := r.Update(t.Context(), "b", func(b *bump) error { b.Record(bumped{}); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

type touchy struct{ Total int64 }

func (t *touchy) UnmarshalJSON([]byte) error { panic("a form that nobody thought of") }

type poked struct{}

func (poked) Apply(s *touchy) { s.Total++ }

type pokeEvent interface{ eventus.Event[touchy] }

type poke struct {
	eventus.Aggregate[touchy, pokeEvent]
}

func TestASnapshotWhoseDecodingPanicsMeansReplay(t *testing.T) {
	pokes := eventus.Define("poke", eventus.New[poke], eventus.Type[poked]("poked"))
	r := eventus.NewRepository(memory.New(), pokes, eventus.WithSnapshotEvery(1))
	_, err := r.Update(t.Context(), "p", func(p *poke) error { p.Record(poked{}); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.Load(t.Context(), "p"); err != nil || p.State().Total != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestALoadThatReplayedALotStoresASnapshot(t *testing.T) {
	writeUnusable := func(s *faulty) error {
		c := store.Stream{Category: "counter", ID: "c"}
		return s.WriteSnapshot(t.Context(), store.Snapshot{Stream: c, Schema: 1, Version: 3, EventID: eventID(t, s, c, 3), ContentType: "application/json", Data: []byte("?")})
	}
	for name, prepare := range map[string]func(s *faulty) error{
		"because there was none":       func(*faulty) error { return nil },
		"because it could not be read": func(s *faulty) error { return writeUnusable(s) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &faulty{Store: memory.New()}
				fill(t, s, "c", 25)
				if err := prepare(s); err != nil {
					t.Fatal(err)
				}
				r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10))
				load(t, r, "c", 50, 25)
				synctest.Wait()
				s.reads.Store(0)
				load(t, r, "c", 50, 25)
				if n := s.reads.Load(); n != 0 {
					t.Errorf("%d messages replayed again", n)
				}
			})
		})
	}
}

// A writer that takes long holds up no load. One snapshot is written at a time.
func TestALoadDoesNotWaitForItsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int64
		s := &faulty{Store: memory.New(), writeSnapshot: func() error {
			writes.Add(1)
			time.Sleep(time.Hour)
			return nil
		}}
		fill(t, s, "c", 25)
		r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(10))
		began := time.Now()
		for range 3 {
			load(t, r, "c", 50, 25)
			synctest.Wait()
		}
		if waited := time.Since(began); waited > 0 || writes.Load() != 1 {
			t.Errorf("loads waited for %v, and %d snapshots were begun", waited, writes.Load())
		}
		time.Sleep(2 * time.Hour) // until it is written
	})
}

func TestARequestThatEndsDoesNotCostTheSnapshot(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &faulty{Store: memory.New(), writeSnapshot: func() error { cancel(); return nil }}
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(1))
	if _, err := r.Update(ctx, "c", add(2)); err != nil {
		t.Fatal(err)
	}
	snap, _, err := s.ReadSnapshot(t.Context(), store.Stream{Category: "counter", ID: "c"}, 1, 1)
	if err != nil || snap.Version != 1 {
		t.Errorf("%+v, %v", snap, err)
	}
}

func TestSnapshotsNeedAStoreThatKeepsThem(t *testing.T) {
	only := struct{ store.Store }{memory.New()}
	if got := panicOf(func() { eventus.NewRepository(only, counters, eventus.WithSnapshotEvery(1)) }); got == "" {
		t.Error("no panic")
	}
}

// A stream of 100,000 events is never in memory as a whole: the largest page
// handed out is what a load holds.
func TestALongStreamLoadsInPages(t *testing.T) {
	s := &pages{Store: memory.New()}
	const n = 100_000
	fill(t, s, "c", n)
	load(t, eventus.NewRepository(s, counters), "c", 2*n, n)
	if s.largest > 500 || s.total != n {
		t.Errorf("%d messages read, in pages of up to %d", s.total, s.largest)
	}
	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(1))
	update(t, r, "c", 2)
	s.total = 0
	load(t, r, "c", 2*n+2, n+1)
	if s.total != 0 {
		t.Errorf("%d messages read beside the snapshot", s.total)
	}
}

type pages struct {
	*memory.Store
	largest, total int
}

func (p *pages) Read(ctx context.Context, s store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := p.Store.Read(ctx, s, after, limit)
	p.largest, p.total = max(p.largest, len(page)), p.total+len(page)
	return page, err
}
