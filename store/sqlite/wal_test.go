package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// readTx is a reader in the middle of its transaction.
func readTx(t *testing.T, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM outbox WHERE position < 10").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return tx
}

func sizeOfWAL(t *testing.T, s *Store) int64 {
	t.Helper()
	info, err := os.Stat(s.wal.path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func grow(t *testing.T, s *Store, bytes int) {
	t.Helper()
	for n := 0; n < bytes; n += 256 << 10 {
		e := eventOf(fmt.Sprint(n))
		e[0].Data = make([]byte, 256<<10)
		if _, err := s.Append(t.Context(), streamOf("large"), store.Any, e); err != nil {
			t.Fatal(err)
		}
	}
}

// Of readers that overlap there is always one, so that SQLite by itself would never
// begin the WAL from its start.
func TestTheWALStaysBoundedUnderReadersThatOverlap(t *testing.T) {
	s, db := openHere(t)
	s.wal.limit = 2 << 20
	s.wal.relax()
	grow(t, s, 1<<20)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	older := make(chan *sql.Tx, 1)
	older <- readTx(t, db)
	readers.Go(func() {
		for {
			newer := readTx(t, db)
			_ = (<-older).Rollback()
			older <- newer
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond): // how long they read
			}
		}
	})
	grow(t, s, 16<<20)
	if size := sizeOfWAL(t, s); size > 8<<20 {
		t.Errorf("the WAL has %d MB", size>>20)
	}
	close(stop)
	readers.Wait()
	_ = (<-older).Rollback()
}

// A reader that goes on for long holds writers back for a moment, and once in twice
// the size. When it has ended, the WAL is emptied.
func TestALongReaderHoldsWritersBackForAMoment(t *testing.T) {
	s, db := openHere(t)
	s.wal.limit = 1 << 20
	s.wal.relax()
	s.wal.patience = time.Millisecond
	long := readTx(t, db)
	grow(t, s, 3<<20)
	if s.wal.next <= s.wal.limit {
		t.Error("nobody has tried to empty the WAL, or did so under a reader")
	}
	if err := long.Rollback(); err != nil {
		t.Fatal(err)
	}
	grow(t, s, int(s.wal.next))
	if size := sizeOfWAL(t, s); size > s.wal.limit+1<<20 || s.wal.next != s.wal.limit {
		t.Errorf("the WAL has %d KB, and is emptied at %d KB", size>>10, s.wal.next>>10)
	}
	var timeout int
	for range 3 {
		if err := db.QueryRow("PRAGMA busy_timeout").Scan(&timeout); err != nil || timeout != 10_000 {
			t.Errorf("a connection is left with a busy_timeout of %d, error %v", timeout, err)
		}
	}
}
