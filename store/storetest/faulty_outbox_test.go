package storetest_test

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// lostRow writes no row for the last of several events.
type lostRow struct{ *memory.Store }

func (s lostRow) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := s.Store.Append(ctx, stream, expected, events)
	if err != nil || len(events) == 1 {
		return version, err
	}
	last, err := s.Read(ctx, stream, version-1, 1)
	if err != nil {
		return 0, err
	}
	return version, s.MarkPublished(ctx, []int64{last[0].Position}, nil)
}

// cursor remembers the highest position that was published.
type cursor struct{ *memory.Store }

func (s cursor) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	var all []int64
	for _, p := range positions {
		for q := int64(1); q <= min(p, store.MaxEvents); q++ {
			all = append(all, q)
		}
	}
	return s.Store.MarkPublished(ctx, all, last)
}

// lateRow gives what lies behind a row before the row itself, which a cursor
// then passes.
type lateRow struct {
	*memory.Store
	late sync.Map // of positions
}

func (s *lateRow) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	page, next, err := s.Store.Unpublished(ctx, after, limit)
	if len(page) < 2 {
		return page, next, err
	}
	if _, committed := s.late.LoadOrStore(page[0].Position, true); !committed {
		page = page[1:]
	}
	return page, next, err
}

// fromTheFront does not look at where the page begins.
type fromTheFront struct{ *memory.Store }

func (s fromTheFront) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	page, next, err := s.Store.Unpublished(ctx, 0, limit)
	return page, max(next, after), err
}

// stands has a next that follows the page, and nothing that was published.
type stands struct{ *memory.Store }

func (s stands) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	page, _, err := s.Store.Unpublished(ctx, after, limit)
	if len(page) > 0 {
		after = page[len(page)-1].Position
	}
	return page, after, err
}

// pagewise finds the event before only within the page.
type pagewise struct{ *memory.Store }

func (s pagewise) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	page, next, err := s.Store.Unpublished(ctx, after, limit)
	last := make(map[store.Stream]string)
	for i := range page {
		page[i].Previous = last[page[i].Stream]
		last[page[i].Stream] = page[i].ID
	}
	return page, next, err
}

type onePlace struct{ *memory.Store }

func (s onePlace) Published(ctx context.Context) ([]store.Published, error) {
	all, err := s.Store.Published(ctx)
	return all[:min(1, len(all))], err
}

// noCheckpoints takes checkpoints that are nil for none.
type noCheckpoints struct{ *memory.Store }

func (s noCheckpoints) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	for i := range last {
		if last[i].Checkpoints == nil {
			last[i].Checkpoints = []store.Checkpoint{}
		}
	}
	return s.Store.MarkPublished(ctx, positions, last)
}

// ownTime says of everything that it was published now.
type ownTime struct{ *memory.Store }

func (s ownTime) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	for i := range last {
		last[i].Time = time.Time{}
	}
	return s.Store.MarkPublished(ctx, positions, last)
}

// refusesOne lets the later messages of a stream pass by the one that is refused.
type refusesOne struct{ *memory.Store }

func (s refusesOne) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	refused, err := s.Refused(ctx, 0, 1<<20)
	if err != nil || len(refused) == 0 {
		return s.Store.Unpublished(ctx, after, limit)
	}
	log, err := s.ReadAll(ctx, max(after, refused[0].Position), limit)
	var page []store.Outgoing
	for _, m := range log {
		page = append(page, store.Outgoing{Message: m})
	}
	return page, 1 << 20, err
}

type firstError struct{ *memory.Store }

func (s firstError) Refuse(ctx context.Context, position int64, reason string, pause time.Duration) error {
	refused, err := s.Refused(ctx, position-1, 1)
	if err != nil || len(refused) == 1 && refused[0].Position == position {
		return err
	}
	return s.Store.Refuse(ctx, position, reason, pause)
}

type impetuous struct{ *memory.Store }

func (s impetuous) Readmit(ctx context.Context, _ bool) (int64, error) {
	return s.Store.Readmit(ctx, true)
}

// refusesAll does not look whether the message was published meanwhile.
type refusesAll struct{ *memory.Store }

func (s refusesAll) Refused(ctx context.Context, after int64, limit int) ([]store.Refused, error) {
	page, err := s.Store.Refused(ctx, after, limit)
	if len(page) > 0 || err != nil {
		return page, err
	}
	log, err := s.ReadAll(ctx, after, 1)
	for _, m := range log {
		page = append(page, store.Refused{Message: m})
	}
	return page, err
}

type oneHistory struct{ *memory.Store }

func (oneHistory) History(context.Context) (string, error) {
	return "00000000-0000-4000-8000-000000000000", nil
}

// volatile draws an id whenever it is asked.
type volatile struct{ *memory.Store }

func (volatile) History(ctx context.Context) (string, error) { return memory.New().History(ctx) }

// lastSnapshot keeps one snapshot, by an upsert that compares nothing, or by a
// read that compares and an upsert.
type lastSnapshot struct {
	*memory.Store
	compares bool
	mu       sync.Mutex
	last     store.Snapshot
}

func (s *lastSnapshot) WriteSnapshot(_ context.Context, snap store.Snapshot) error {
	if s.compares {
		s.mu.Lock()
		newer := snap.Schema != s.last.Schema || snap.Version > s.last.Version
		s.mu.Unlock()
		if !newer {
			return nil
		}
		runtime.Gosched() // gives others the time in which the race is lost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = snap
	return nil
}

func (s *lastSnapshot) ReadSnapshot(ctx context.Context, stream store.Stream, _, limit int) (store.Snapshot, []store.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tail, err := s.Read(ctx, stream, s.last.Version, limit)
	return s.last, tail, err
}

// twoReads reads the tail of one snapshot and gives it with another.
type twoReads struct{ *memory.Store }

func (s twoReads) ReadSnapshot(ctx context.Context, stream store.Stream, schema, limit int) (store.Snapshot, []store.Message, error) {
	_, tail, err := s.Store.ReadSnapshot(ctx, stream, schema, limit)
	if err != nil {
		return store.Snapshot{}, nil, err
	}
	runtime.Gosched() // gives the writer the time in which the views part
	snap, _, err := s.Store.ReadSnapshot(ctx, stream, schema, limit)
	return snap, tail, err
}

// restless gives a channel by which nobody ever sleeps.
type restless struct{ *memory.Store }

func (restless) Watch() <-chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}

// adopter gives a snapshot to the event that stands at its version.
type adopter struct{ *memory.Store }

func (s adopter) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	page, err := s.Read(ctx, snap.Stream, snap.Version-1, 1)
	if err == nil && len(page) == 1 && snap.Version > 0 && snap.EventID != "" {
		snap.EventID = page[0].ID
	}
	return s.Store.WriteSnapshot(ctx, snap)
}

// firstTime leaves the time of the first snapshot beside the later ones, as a
// program does that does not know of it.
type firstTime struct {
	*memory.Store
	first time.Time
}

func (s *firstTime) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if s.first.IsZero() {
		s.first = snap.Latest
	}
	snap.Latest = s.first
	return s.Store.WriteSnapshot(ctx, snap)
}
