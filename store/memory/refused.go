package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// Refuse implements [store.Outbox].
func (s *Store) Refuse(ctx context.Context, position int64, reason string, pause time.Duration) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if position < 1 || position > int64(len(s.published)) || s.published[position-1] {
		return nil
	}
	now := cutTime(time.Now())
	s.refusals[position] = refusal{
		error: reason, attempts: s.refusals[position].attempts + 1, since: now, retryAt: cutTime(now.Add(pause)),
	}
	return nil
}

// Readmit implements [store.Outbox].
func (s *Store) Readmit(ctx context.Context, all bool) (first int64, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	now := time.Now()
	for _, position := range s.refusedPositions() {
		r := s.refusals[position]
		if !all && r.retryAt.After(now) {
			continue
		}
		r.error = ""
		s.refusals[position] = r
		if first == 0 {
			first = position
		}
	}
	return first, nil
}

// Refused implements [store.Outbox].
func (s *Store) Refused(ctx context.Context, after int64, limit int) ([]store.Refused, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []store.Refused
	for _, position := range s.refusedPositions() {
		if r := s.refusals[position]; position > after && len(page) < limit {
			page = append(page, store.Refused{
				Message: cloneMessage(s.log[position-1]), Error: r.error, Attempts: r.attempts, Since: r.since, RetryAt: r.retryAt,
			})
		}
	}
	return page, nil
}

// refusedPositions are those of the messages that are refused now, ascending.
func (s *Store) refusedPositions() []int64 {
	positions := slices.Sorted(maps.Keys(s.refusals))
	return slices.DeleteFunc(positions, func(p int64) bool { return s.refusals[p].error == "" })
}
