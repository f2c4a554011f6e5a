package storetest_test

import (
	"context"
	"runtime"
	"sync"

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
	return version, s.MarkPublished(ctx, []int64{last[0].Position})
}

// cursor remembers the highest position that was published.
type cursor struct{ *memory.Store }

func (s cursor) MarkPublished(ctx context.Context, positions []int64) error {
	var all []int64
	for _, p := range positions {
		for q := int64(1); q <= min(p, store.MaxEvents); q++ {
			all = append(all, q)
		}
	}
	return s.Store.MarkPublished(ctx, all)
}

// lateRow gives what lies behind a row before the row itself, which a cursor
// then passes.
type lateRow struct {
	cursor
	late sync.Map // of positions
}

func (s *lateRow) Unpublished(ctx context.Context, limit int) ([]store.Message, error) {
	page, err := s.Store.Unpublished(ctx, limit)
	if len(page) < 2 {
		return page, err
	}
	if _, committed := s.late.LoadOrStore(page[0].Position, true); !committed {
		page = page[1:]
	}
	return page, err
}

type noRepublish struct{ *memory.Store }

func (noRepublish) Republish(context.Context, int64) (int64, error) { return 0, nil }

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
