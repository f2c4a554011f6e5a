package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, p := range positions {
		if p >= 1 && p <= int64(len(s.published)) {
			s.published[p-1] = true
			delete(s.refusals, p)
		}
	}
	for s.head < len(s.published) && s.published[s.head] {
		s.head++
	}
	for _, l := range last {
		checkpoints := l.Checkpoints
		if checkpoints == nil {
			checkpoints = s.places[l.Place].Checkpoints
		}
		l.Time, l.Checkpoints = timeOrNow(l.Time), slices.Clone(checkpoints)
		for i := range l.Checkpoints {
			l.Checkpoints[i].Time = timeOrNow(l.Checkpoints[i].Time)
		}
		s.places[l.Place] = l
	}
	return nil
}

func timeOrNow(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return cutTime(t)
}

// Published implements [store.Outbox].
func (s *Store) Published(ctx context.Context) ([]store.Published, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := slices.SortedFunc(maps.Values(s.places), func(a, b store.Published) int { return cmp.Compare(a.Place, b.Place) })
	for i := range all {
		all[i].Checkpoints = slices.Clone(all[i].Checkpoints)
	}
	return all, nil
}
