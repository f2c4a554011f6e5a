package memory

import (
	"context"
	"time"

	"github.com/eventus-go/eventus/store"
)

// Read implements [store.Reader].
func (s *Store) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	if err := stream.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.read(stream, after, limit), nil
}

// read is called with mu held.
func (s *Store) read(stream store.Stream, after int64, limit int) []store.Message {
	var page []store.Message
	for _, i := range window(s.streams[stream], after, limit) {
		page = append(page, cloneMessage(s.log[i]))
	}
	return page
}

// ReadAll implements [store.Log].
func (s *Store) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []store.Message
	for _, m := range window(s.log, after, limit) {
		page = append(page, cloneMessage(m))
	}
	return page, nil
}

// ReadStretch implements [store.Log].
func (s *Store) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	if err := ctx.Err(); err != nil || r.Limit < 1 {
		return store.Stretch{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	look := r.Limit
	if len(r.Categories) > 0 {
		look = store.MaxStretch
	}
	log := s.log
	if r.UpTo > 0 {
		log = log[:min(r.UpTo, int64(len(log)))]
	}
	page := window(log, r.After, look)
	stretch := store.Stretch{End: len(page) < look}
	for i := range page {
		stretch.Add(r, &page[i])
		if len(stretch.Messages) == r.Limit {
			stretch.End = page[i].Position == r.UpTo
			break
		}
	}
	for i := range stretch.Messages {
		stretch.Messages[i] = cloneMessage(stretch.Messages[i])
	}
	return stretch, nil
}

// Head implements [store.Log].
func (s *Store) Head(ctx context.Context) (store.Head, error) {
	if err := ctx.Err(); err != nil {
		return store.Head{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.log) == 0 {
		return store.Head{Settled: true}, nil
	}
	last := s.log[len(s.log)-1]
	return store.Head{Position: last.Position, EventID: last.ID, Time: last.Time, Settled: true}, nil
}

// TimesAfter implements [store.Log].
func (s *Store) TimesAfter(ctx context.Context, positions []int64) ([]time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	times := make([]time.Time, len(positions))
	for i, p := range positions {
		for _, m := range window(s.log, p, 1) {
			times[i] = m.Time
		}
	}
	return times, nil
}

// window returns up to limit elements of all after the first after ones.
func window[T any](all []T, after int64, limit int) []T {
	rest := all[min(max(after, 0), int64(len(all))):]
	return rest[:min(max(limit, 0), len(rest))]
}
