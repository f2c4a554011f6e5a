package memory

import (
	"context"

	"github.com/eventus-go/eventus/store"
)

// Unpublished implements [store.Outbox].
func (s *Store) Unpublished(ctx context.Context, limit int) ([]store.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []store.Message
	for i := s.head; i < len(s.log) && len(page) < limit; i++ {
		if !s.published[i] {
			page = append(page, cloneMessage(s.log[i]))
		}
	}
	return page, nil
}

// MarkPublished implements [store.Outbox].
func (s *Store) MarkPublished(ctx context.Context, positions []int64) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, p := range positions {
		if p >= 1 && p <= int64(len(s.published)) {
			s.published[p-1] = true
		}
	}
	for s.head < len(s.published) && s.published[s.head] {
		s.head++
	}
	return nil
}

// Republish implements [store.Outbox].
func (s *Store) Republish(ctx context.Context, after int64) (int64, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	var n int64
	first := int(min(max(after, 0), int64(len(s.published))))
	for i := first; i < len(s.published); i++ {
		if s.published[i] {
			s.published[i] = false
			n++
		}
	}
	s.head = min(s.head, first)
	return n, nil
}
