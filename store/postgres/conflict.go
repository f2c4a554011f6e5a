package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03" // lock_timeout
	featureNotSupported  = "0A000"
	outOfMemory          = "53200" // also of shared memory, for locks
)

// isRace reports whether an append failed because somebody else was faster, so
// that nothing of it is written.
func isRace(err error) bool {
	var failed *pgconn.PgError
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Code {
	case uniqueViolation:
		// Each part of a partitioned event_store has one of its own.
		return strings.HasPrefix(failed.ConstraintName, "event_store_") && strings.HasSuffix(failed.ConstraintName, "stream_version")
	case serializationFailure, deadlockDetected:
		return true
	}
	return false
}

// lost finds out what became of a group that lost a race which the locks could not
// decide. What it reads in db must be readable: a transaction is rolled back to
// before the append.
func (s *Store) lost(ctx context.Context, db querier, g *combine.Group, err error) error {
	actual, reading := s.version(ctx, db, g.Stream)
	if reading == nil && db != querier(s.pool) && actual <= max(0, g.Expected.Version) {
		// A transaction above read committed does not see who was faster.
		actual = max(actual, s.versionOutside(ctx, g.Stream))
	}
	if reading != nil {
		return fmt.Errorf("%w; read the version: %w", err, reading)
	}
	return &store.ConflictError{Stream: g.Stream, Expected: g.Expected, Actual: actual}
}

// versionOutside returns the committed version, or 0 if the pool has no
// connection for it soon: the caller's transaction may hold the last.
func (s *Store) versionOutside(ctx context.Context, stream store.Stream) int64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	version, err := s.version(ctx, s.pool, stream)
	if err != nil {
		return 0
	}
	return version
}

// sqlState returns the SQLSTATE in err, "" when there is none.
func sqlState(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}
