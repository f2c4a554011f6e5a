package memory

import (
	"context"
	"time"

	"github.com/eventus-go/eventus/store"
)

// AddRequest implements [store.Requests].
func (s *Store) AddRequest(ctx context.Context, r store.Request) (int64, error) {
	if err := store.CheckRequest(r); err != nil {
		return 0, err
	}
	r.DoneAt, r.Outcome = time.Time{}, ""
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	r.ID, r.AskedAt = int64(len(s.requests)+1), now()
	s.requests = append(s.requests, r)
	return r.ID, nil
}

// PendingRequests implements [store.Requests].
func (s *Store) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	if err := store.CheckConsumerID(id); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var pending []store.Request
	for _, r := range s.requests {
		if r.Consumer == id && r.DoneAt.IsZero() {
			pending = append(pending, r)
		}
	}
	return pending, nil
}

// FinishRequest implements [store.Requests].
func (s *Store) FinishRequest(ctx context.Context, tx *Tx, id int64, outcome string) (bool, error) {
	if tx.store != s || tx.over() {
		return false, errEnded
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if id < 1 || id > int64(len(s.requests)) || tx.finished[id] || !s.requests[id-1].DoneAt.IsZero() {
		return false, nil
	}
	at := now()
	tx.finished[id] = true
	tx.requests = append(tx.requests, func(r *store.Request) {
		if r.ID == id {
			r.DoneAt, r.Outcome = at, outcome
		}
	})
	return true, nil
}

// ListRequests implements [store.Requests].
func (s *Store) ListRequests(ctx context.Context, name string, before int64, limit int) ([]store.Request, error) {
	if name != "" {
		if err := store.CheckConsumer(name); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []store.Request
	for i := len(s.requests) - 1; i >= 0 && len(page) < limit; i-- {
		r := s.requests[i]
		if (before == 0 || r.ID < before) && (name == "" || r.Consumer.Name == name) {
			page = append(page, r)
		}
	}
	return page, nil
}
