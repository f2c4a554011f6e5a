package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"
)

const (
	// walLimit is the size of the WAL from which on the store empties it. SQLite
	// itself does so from 4 MB on, but only when a writer finds no reader.
	walLimit = 32 << 20
	// walPatience is how long writers are held back for it, while the readers of
	// before come to their end.
	walPatience        = 250 * time.Millisecond
	longestWALPatience = 4 * time.Second
)

// wal keeps the file of the WAL from growing under readers that overlap. Only the
// holder of the turn to write uses its fields.
type wal struct {
	path     string // empty when it is not known
	limit    int64
	next     int64 // the size at which to empty it
	patience time.Duration
}

// find notes where the WAL of a database is.
func (w *wal) find(ctx context.Context, db *sql.DB) error {
	var path string
	if err := db.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path); err != nil {
		return fmt.Errorf("ask for the file of the database: %w", err)
	}
	if path != "" {
		w.path = path + "-wal"
	}
	w.limit = walLimit
	w.relax()
	return nil
}

func (w *wal) relax() { w.next, w.patience = w.limit, walPatience }

// boundWAL empties a WAL that has grown too large, at the end of a turn to write.
//
// Readers do not wait for it. No writer of this process, nor of another, can add to
// the WAL meanwhile, so that new readers soon read without it, and the readers of
// before end. Where those read for too long, writers go on, and the next attempt is
// made, with twice the patience, when the WAL is twice as large.
func (s *Store) boundWAL() {
	w := &s.wal
	if w.path == "" {
		return
	}
	if info, err := os.Stat(w.path); err != nil || info.Size() < w.next {
		return
	}
	if s.emptyWAL(w.patience) == nil {
		w.relax()
		return
	}
	w.next, w.patience = 2*w.next, min(2*w.patience, longestWALPatience)
}

// emptyWAL writes all of the WAL into the database and cuts it off.
func (s *Store) emptyWAL(patience time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience) // for a connection
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = context.WithoutCancel(ctx) // SQLite bounds the rest
	var before int64
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&before); err != nil {
		return err
	}
	defer setBusyTimeout(ctx, conn, before)
	setBusyTimeout(ctx, conn, patience.Milliseconds())
	var busy bool
	var frames, written int64
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &written); err != nil {
		return err
	}
	if busy {
		return fmt.Errorf("readers have used the WAL for %v", patience)
	}
	return nil
}

// setBusyTimeout sets the patience of a connection in milliseconds. It cannot fail
// where it could be read before.
func setBusyTimeout(ctx context.Context, conn *sql.Conn, milliseconds int64) {
	_, _ = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", milliseconds))
}
