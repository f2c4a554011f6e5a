package sqlite

import (
	"errors"

	"github.com/eventus-go/eventus/store"
)

// Primary result codes of what SQLite finds out about its file.
const (
	codeCorrupt     = 11
	codeNotDatabase = 26
)

// Damage implements [store.Damageable].
func (s *Store) Damage() *store.DamagedError { return s.damage.Load() }

// damaged returns err, as a [*store.DamagedError] where SQLite has found damage, and
// keeps that for Damage.
func (s *Store) damaged(err error) error {
	if code := resultCode(err); code == codeCorrupt || code == codeNotDatabase {
		err = &store.DamagedError{Err: err}
	}
	var damage *store.DamagedError
	if errors.As(err, &damage) && !s.damage.CompareAndSwap(nil, damage) && damage.Version == 0 {
		s.damage.Store(damage)
	}
	return err
}
