package postgres

import (
	"errors"

	"github.com/eventus-go/eventus/store"
)

// SQLSTATEs of what the server finds out about its own files: a page whose header or
// checksum is wrong, an index that does not fit its table.
const (
	dataCorrupted  = "XX001"
	indexCorrupted = "XX002"
)

// Damage implements [store.Damageable].
func (s *Store) Damage() *store.DamagedError { return s.damage.Load() }

// damaged returns err, as a [*store.DamagedError] where the server has found damage,
// and keeps that for Damage.
func (s *Store) damaged(err error) error {
	if code := sqlState(err); code == dataCorrupted || code == indexCorrupted {
		err = &store.DamagedError{Err: err}
	}
	var damage *store.DamagedError
	if errors.As(err, &damage) && !s.damage.CompareAndSwap(nil, damage) && damage.Version == 0 {
		s.damage.Store(damage)
	}
	return err
}
