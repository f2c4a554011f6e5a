package postgres

import (
	"context"
	"fmt"
	"time"
)

// clock_timestamp and not now: an update that waited for another's row must judge
// by the time at which it goes on.
const leaseSQL = `
INSERT INTO {schema}.leases AS l (name, holder, until) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 microsecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = clock_timestamp() + $3 * interval '1 microsecond'
WHERE l.holder = excluded.holder OR l.until <= clock_timestamp()`

// Acquire implements [store.Leases] by the server's clock.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	tag, err := s.pool.Exec(ctx, s.statements.lease, name, holder, ttl.Microseconds())
	if err != nil {
		return false, fmt.Errorf("take the lease %s: %w", name, err)
	}
	return tag.RowsAffected() == 1, nil
}

const endLeaseSQL = `DELETE FROM {schema}.leases WHERE name = $1 AND holder = $2`

// Release implements [store.Leases].
func (s *Store) Release(ctx context.Context, name, holder string) error {
	if _, err := s.pool.Exec(ctx, s.statements.endLease, name, holder); err != nil {
		return fmt.Errorf("release the lease %s: %w", name, err)
	}
	return nil
}
