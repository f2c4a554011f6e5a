package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	_ store.Store             = (*Store)(nil)
	_ store.Log               = (*Store)(nil)
	_ store.Outbox            = (*Store)(nil)
	_ store.Snapshots         = (*Store)(nil)
	_ store.Inbox[pgx.Tx]     = (*Store)(nil)
	_ store.Watcher           = (*Store)(nil)
	_ store.Leases            = (*Store)(nil)
	_ store.Consumers[pgx.Tx] = (*Store)(nil)
	_ store.Identity          = (*Store)(nil)
	_ store.Blockable         = (*Store)(nil)
)

// Config says where the store is. The zero value is ready to use.
type Config struct {
	// Schema is the schema of the store's tables. The default is the
	// connection's current schema: the first of its search_path that exists,
	// mostly public.
	Schema string
}

// Store implements every interface of the contract in one schema of a database.
// It is safe for concurrent use, has no goroutines of its own and needs no
// closing: who opened the pool closes it.
type Store struct {
	pool       *pgxpool.Pool
	schemaKey  int32 // of the schema, in the keys of advisory locks
	statements statements
	head       head
	queue      queue
	senders    chan struct{} // holds a value for each combined append under way
	// transactions holds a value for each transaction of InTx under way.
	transactions chan struct{}
	waiters      chan struct{} // holds a value for each append that may wait for a stream

	mu       sync.Mutex
	appended chan struct{}
}

// Open returns the store that [Migrate] has made. It writes nothing.
//
// It refuses a server that cannot keep the store's promises, a schema that
// Migrate has not brought up to date, and one that is newer than this program
// ([store.ErrNewerSchema]). The error tells the cure.
func Open(ctx context.Context, pool *pgxpool.Pool, config Config) (*Store, error) {
	schema, err := check(ctx, pool, config)
	if err != nil {
		return nil, err
	}
	version, err := schemaVersion(ctx, pool, schema)
	if err != nil {
		return nil, err
	}
	if version < len(migrationFiles) {
		return nil, fmt.Errorf("schema %s is at version %d of the store's tables, this program needs %d: call postgres.Migrate",
			schema, version, len(migrationFiles))
	}
	if version > len(migrationFiles) {
		return nil, newerSchema(schema, version)
	}
	return &Store{
		pool:       pool,
		schemaKey:  schemaKey(schema),
		statements: newStatements(schema),
		head:       newHead(),
		senders:    make(chan struct{}, maxSenders),
		// Those who wait for a stream leave connections to whoever has it.
		waiters: make(chan struct{}, max(1, pool.Config().MaxConns/2)),
		// If all connections were theirs, those that append inside would wait for
		// each other.
		transactions: make(chan struct{}, max(1, pool.Config().MaxConns-1)),
		appended:     make(chan struct{}),
	}, nil
}

// schemaKey is the same in every process that has the store open.
func schemaKey(schema string) int32 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(schema))
	return int32(hash.Sum32())
}

// oldest is the oldest server that the tests run on.
const oldest = 15

const checkSQL = `
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'), pg_is_in_recovery(),
	current_setting('synchronous_commit'), coalesce(nullif($1::text, ''), current_schema(), '')`

// server is what matters of a server and a connection's settings there.
type server struct {
	version  int
	encoding string
	standby  bool
	commit   string // synchronous_commit
	schema   string // of the store's tables
}

// check looks at the server and returns the name of the store's schema.
func check(ctx context.Context, pool *pgxpool.Pool, config Config) (schema string, err error) {
	var s server
	err = pool.QueryRow(ctx, checkSQL, config.Schema).Scan(&s.version, &s.encoding, &s.standby, &s.commit, &s.schema)
	if err != nil {
		return "", fmt.Errorf("ask PostgreSQL for its version: %w", connectCure(err))
	}
	return s.schema, s.refusal()
}

// refusal tells why the store cannot keep its promises there, and the cure.
func (s server) refusal() error {
	switch {
	case s.version < oldest:
		return fmt.Errorf("the server is PostgreSQL %d: upgrade it to %d or newer", s.version, oldest)
	case s.encoding != "UTF8":
		return fmt.Errorf("the database has the encoding %s: create one WITH ENCODING 'UTF8' TEMPLATE template0", s.encoding)
	case s.standby:
		return errors.New("the server is a standby, where the log can be out of order: connect to the primary (target_session_attrs=read-write)")
	case s.commit == "off":
		return errors.New("synchronous_commit is off, so that a crash would lose acknowledged appends and use their positions again: " +
			"set it to local or on for this role (ALTER ROLE ... SET synchronous_commit = on)")
	case s.schema == "":
		return errors.New("no schema of the search_path exists: set Config.Schema or the search_path")
	}
	return nil
}

// connectCure adds what to do about an error of connecting, where that is known.
func connectCure(err error) error {
	switch code := sqlState(err); code {
	case "28P01", "28000":
		return fmt.Errorf("%w: check user and password in the URL, and pg_hba.conf on the server", err)
	case "3D000":
		return fmt.Errorf("%w: create the database, or correct its name in the URL", err)
	case "":
		var connecting *pgconn.ConnectError
		if errors.As(err, &connecting) {
			return fmt.Errorf("%w: check host and port in the URL, and that the server runs", err)
		}
	}
	return err
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

// querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
