package eventus_test

import (
	"context"
	"errors"
	"testing"

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
	r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(10))
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
	r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(10))
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
	r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(10))
	for range 25 {
		update(t, r, "c", 2)
	}
	for _, c := range []struct{ version, reads int64 }{{25, 5}, {23, 5}, {20, 5}, {19, 25 + 5}, {1, 25 + 5}} {
		s.reads.Store(0)
		got, err := r.LoadAt(t.Context(), "c", c.version)
		if err != nil || got.Version() != c.version || got.State().Total != 2*c.version {
			t.Errorf("at %d: %+v, %v", c.version, got, err)
		}
		if n := s.reads.Load(); n != c.reads {
			t.Errorf("at %d: %d messages read, want %d", c.version, n, c.reads)
		}
	}
	if _, err := r.LoadAt(t.Context(), "c", 26); !errors.Is(err, eventus.ErrNotFound) {
		t.Errorf("got error %v", err)
	}
	s.readSnapshot = func() error { return errors.New("damaged") }
	if got, err := r.LoadAt(t.Context(), "c", 23); err != nil || got.Version() != 23 {
		t.Errorf("%+v, %v", got, err)
	}
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
			spoil(s, &snap)
			if err := s.WriteSnapshot(t.Context(), snap); err != nil {
				t.Fatal(err)
			}
			load(t, eventus.NewRepository(s, counters, eventus.SnapshotEvery(100)), "c", 10, 5)
		})
	}
}

func TestAnotherDeclaredVersionHasSnapshotsOfItsOwn(t *testing.T) {
	s := &faulty{Store: memory.New()}
	v1 := eventus.NewRepository(s, counters, eventus.SnapshotEvery(2))
	v2 := eventus.NewRepository(s, counters, eventus.SnapshotEvery(2), eventus.SnapshotVersion(2))
	for range 3 {
		update(t, v1, "c", 2)
		update(t, v2, "c", 2)
	}
	load(t, v1, "c", 12, 6)
	load(t, v2, "c", 12, 6)
}

func TestAFailingSnapshotFailsNoSave(t *testing.T) {
	s := &faulty{Store: memory.New(), writeSnapshot: func() error { return errors.New("disk full") }}
	r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(1))
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
	r := eventus.NewRepository(memory.New(), bumps, eventus.SnapshotEvery(1))
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
	r := eventus.NewRepository(memory.New(), pokes, eventus.SnapshotEvery(1))
	_, err := r.Update(t.Context(), "p", func(p *poke) error { p.Record(poked{}); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.Load(t.Context(), "p"); err != nil || p.State().Total != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestALoadThatReplayedALotStoresASnapshot(t *testing.T) {
	unusable := store.Snapshot{Stream: store.Stream{Category: "counter", ID: "c"}, Schema: 1, Version: 3, ContentType: "application/json", Data: []byte("?")}
	for name, prepare := range map[string]func(s *faulty) error{
		"because there was none":       func(*faulty) error { return nil },
		"because it could not be read": func(s *faulty) error { return s.WriteSnapshot(t.Context(), unusable) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &faulty{Store: memory.New()}
			fill(t, s, "c", 25)
			if err := prepare(s); err != nil {
				t.Fatal(err)
			}
			r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(10))
			load(t, r, "c", 50, 25)
			s.reads.Store(0)
			load(t, r, "c", 50, 25)
			if n := s.reads.Load(); n != 0 {
				t.Errorf("%d messages replayed again", n)
			}
		})
	}
}

func TestARequestThatEndsDoesNotCostTheSnapshot(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &faulty{Store: memory.New(), writeSnapshot: func() error { cancel(); return nil }}
	r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(1))
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
	if got := panicOf(func() { eventus.NewRepository(only, counters, eventus.SnapshotEvery(1)) }); got == "" {
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
	r := eventus.NewRepository(s, counters, eventus.SnapshotEvery(1))
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
