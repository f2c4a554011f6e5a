package memory

import (
	"context"
	"time"
)

type lease struct {
	holder string
	until  time.Time
}

// Acquire implements [store.Leases].
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	now := time.Now()
	if l, ok := s.leases[name]; ok && l.holder != holder && now.Before(l.until) {
		return false, nil
	}
	s.leases[name] = lease{holder, now.Add(ttl)}
	return true, nil
}

// Release implements [store.Leases].
func (s *Store) Release(ctx context.Context, name, holder string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if s.leases[name].holder == holder {
		delete(s.leases, name)
	}
	return nil
}
