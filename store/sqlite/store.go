package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
)

var (
	_ store.Store              = (*Store)(nil)
	_ store.Log                = (*Store)(nil)
	_ store.Outbox             = (*Store)(nil)
	_ store.Snapshots          = (*Store)(nil)
	_ store.Inbox[*sql.Tx]     = (*Store)(nil)
	_ store.Consumers[*sql.Tx] = (*Store)(nil)
	_ store.Watcher            = (*Store)(nil)
	_ store.Identity           = (*Store)(nil)
	_ store.Damageable         = (*Store)(nil)
)

// Store implements every interface of the contract on one database. It is safe
// for concurrent use, has no goroutines of its own and needs no closing: who
// opened the database closes it.
type Store struct {
	db         *sql.DB
	statements statements
	writer     chan struct{}  // holds a value while somebody of this process writes; blocked senders get their turn in order
	queue      *combine.Queue // of appends, which write with writer held
	wal        wal            // belongs to who holds writer

	damage atomic.Pointer[store.DamagedError]

	mu       sync.Mutex
	appended chan struct{}
}

// DSN returns the data source name of the database at path for the driver
// modernc.org/sqlite, with the settings that [Open] asks for: WAL, a commit that
// survives a power loss, transactions that take the write lock when they begin,
// and ten seconds' patience with writers of other processes.
func DSN(path string) string {
	name := "file:"
	if filepath.IsAbs(path) {
		name += "//" // an empty authority, so that a path of two slashes is not taken for one
	}
	return name + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate" +
		"&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
}

// Open returns the store in db, after it has brought the schema up to date.
// Several processes may do so at once.
//
// It refuses a database whose settings cannot keep the store's promises (the
// error tells the cure; see [DSN]) and one with a newer schema
// ([store.ErrNewerSchema]). Databases in memory are refused with the rest: they
// have no WAL. Package store/memory is for that.
func Open(ctx context.Context, db *sql.DB) (*Store, error) {
	if db.Stats().MaxOpenConnections == 1 {
		return nil, errors.New("the pool has one connection, so that readers would wait for writers: call SetMaxOpenConns with 2 or more")
	}
	if err := prepareDatabase(ctx, db); err != nil {
		return nil, err
	}
	s := &Store{db: db, writer: make(chan struct{}, 1), appended: make(chan struct{})}
	s.queue = s.newQueue()
	if err := s.wal.find(ctx, db); err != nil {
		return nil, err
	}
	if err := s.statements.prepare(ctx, db); err != nil {
		return nil, err
	}
	return s, nil
}

// prepareDatabase checks and migrates on one connection.
func prepareDatabase(ctx context.Context, db *sql.DB) error {
	conn, err := connect(ctx, db)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if err := checkSettings(ctx, conn); err != nil {
		return err
	}
	return migrate(ctx, conn)
}

// connect tries again for up to ten seconds while the database is busy. Of
// several that turn a new file to WAL at once, SQLite fails all but one
// immediately, whatever busy_timeout says.
func connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	patience := time.After(10 * time.Second)
	for {
		conn, err := db.Conn(ctx)
		if err == nil || resultCode(err) != codeBusy {
			return conn, err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-patience:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// checkSettings looks at one connection. The others of the pool come from the
// same data source name.
func checkSettings(ctx context.Context, conn *sql.Conn) error {
	for _, pragma := range []struct {
		name, cure string
		good       []string
	}{
		{"journal_mode", "_pragma=journal_mode(WAL) in the data source name of a file", []string{"wal"}},
		{"synchronous", "_pragma=synchronous(FULL) in the data source name", []string{"2", "3"}},
	} {
		var value string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma.name).Scan(&value); err != nil {
			return fmt.Errorf("read %s: %w", pragma.name, err)
		}
		if !slices.Contains(pragma.good, strings.ToLower(value)) {
			return fmt.Errorf("%s is %s: open the database with sqlite.DSN(path), or with %s", pragma.name, value, pragma.cure)
		}
	}
	return nil
}

// Watch implements [store.Watcher]. It does not know of appends through
// [Store.WithTx].
func (s *Store) Watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appended
}

func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.appended)
	s.appended = make(chan struct{})
}
