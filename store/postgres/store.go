package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/internal/quiet"
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
	_ store.Damageable        = (*Store)(nil)
)

// Config says where the store is. The zero value is ready to use.
type Config struct {
	// Schema is the schema of the store's tables. The default is the
	// connection's current schema: the first of its search_path that exists,
	// mostly public.
	Schema string
	// Logger gets what an operator should know and the store cannot refuse: a server
	// with fsync off, unless its setting eventus.throwaway is on, which says that the
	// data is for tests. The default is slog.Default at Warn and above.
	Logger *slog.Logger
}

// Store implements every interface of the contract in one schema of a database.
// It is safe for concurrent use, has no goroutines of its own and needs no
// closing: who opened the pool closes it.
type Store struct {
	pool       *pgxpool.Pool
	schemaKey  int32 // the schema's OID, in the keys of advisory locks
	statements statements
	head       head
	queue      *combine.Queue // of appends
	// transactions holds a value for each transaction of InTx under way.
	transactions chan struct{}

	damage atomic.Pointer[store.DamagedError]

	mu       sync.Mutex
	appended chan struct{}
}

// Open returns the store that [Migrate] has made. It writes nothing.
//
// It refuses a server that cannot keep the store's promises, a schema that
// Migrate has not brought up to date, and one that is newer than this program
// ([store.ErrNewerSchema]). The error tells the cure.
func Open(ctx context.Context, pool *pgxpool.Pool, config Config) (*Store, error) {
	server, err := check(ctx, pool, config)
	if err != nil {
		return nil, err
	}
	schema := server.schema
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
	if err := checkSequence(ctx, pool, schema); err != nil {
		return nil, err
	}
	if server.careless {
		quiet.Logger(config.Logger).Warn("the server runs with fsync off: a crash of its machine can lose acknowledged events and damage the database; " +
			"set fsync to on, or set eventus.throwaway to on in its configuration if the data is for tests")
	}
	s := &Store{
		pool:       pool,
		schemaKey:  int32(server.schemaOID),
		statements: newStatements(schema),
		head:       newHead(),
		// If all connections were theirs, those that append inside would wait for
		// each other.
		transactions: make(chan struct{}, max(1, pool.Config().MaxConns-1)),
		appended:     make(chan struct{}),
	}
	s.queue = s.newQueue()
	return s, nil
}

// oldest is the oldest server that the tests run on.
const oldest = 15

const checkSQL = `
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'), pg_is_in_recovery(),
	current_setting('synchronous_commit'),
	current_setting('fsync') = 'off' AND coalesce(current_setting('eventus.throwaway', true), '') <> 'on', coalesce(s.name, ''), coalesce(n.oid, 0)::int8
FROM (SELECT coalesce(nullif($1::text, '')::name, current_schema()) AS name) AS s -- a name has 63 bytes at most
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.name`

// server is what matters of a server and a connection's settings there.
type server struct {
	version   int
	encoding  string
	standby   bool
	commit    string // synchronous_commit
	careless  bool   // fsync is off, and nobody has said that the data is for tests
	schema    string // of the store's tables
	schemaOID int64  // 0 while there is no such schema
}

// check looks at the server.
func check(ctx context.Context, pool *pgxpool.Pool, config Config) (s server, err error) {
	err = pool.QueryRow(ctx, checkSQL, config.Schema).Scan(&s.version, &s.encoding, &s.standby, &s.commit, &s.careless, &s.schema, &s.schemaOID)
	if err != nil {
		return s, fmt.Errorf("ask PostgreSQL for its version: %w", connectCure(err))
	}
	return s, s.refusal()
}

const sequenceSQL = `
SELECT coalesce(max(e.position), 0), coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'position')::regclass), 0)
FROM {schema}.event_store AS e`

// checkSequence refuses a store whose next positions would not be new. A reader
// never goes back to a position that it has passed.
func checkSequence(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	table := pgx.Identifier{schema, "event_store"}.Sanitize()
	var last, drawn int64
	if err := pool.QueryRow(ctx, qualify(schema, sequenceSQL), table).Scan(&last, &drawn); err != nil {
		return fmt.Errorf("compare the sequence with the log: %w", err)
	}
	if drawn >= last {
		return nil
	}
	return fmt.Errorf("the sequence of positions stands at %d, and the log at %d, as after a move by logical replication, which copies no sequences: "+
		"run SELECT setval(pg_get_serial_sequence('%s', 'position'), (SELECT max(position) FROM %s)) before anybody appends", drawn, last, table, table)
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
