package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	_ "modernc.org/sqlite"
)

// settings are the PostgreSQL settings that differ from the defaults.
var settings = map[string]string{
	"max_connections": "1000",
	"shared_buffers":  "1GB",
}

// lab opens databases and servers for figures. It closes them at the end of the
// figure. The PostgreSQL server is shared by all figures and lasts until close.
type lab struct {
	dir     string
	grown   int            // events of a large log
	long    int            // events of a long stream
	server  *pgtest.Server // nil until a figure asks for a database
	made    int
	closers []func() error
}

func newLab(grown, long int) (*lab, error) {
	dir, err := os.MkdirTemp("", "eventus-bench-")
	if err != nil {
		return nil, err
	}
	return &lab{dir: dir, grown: grown, long: long}, nil
}

// close stops the PostgreSQL server and removes all files.
func (l *lab) close() error {
	err := os.RemoveAll(l.dir)
	if l.server != nil {
		err = errors.Join(err, l.server.Remove())
	}
	return err
}

// atEnd registers f for the end of the figure. The last f is called first.
func (l *lab) atEnd(f func() error) { l.closers = append(l.closers, f) }

func (l *lab) clear() {
	for i := len(l.closers) - 1; i >= 0; i-- {
		if err := l.closers[i](); err != nil {
			fmt.Fprintf(os.Stderr, "clear up: %v\n", err)
		}
	}
	l.closers = nil
}

// background runs f until the end of the figure. The channel receives its error if
// f returns earlier.
func (l *lab) background(ctx context.Context, f func(context.Context) error) <-chan error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- f(ctx)
		close(ended)
	}()
	l.atEnd(func() error { stop(); return <-ended })
	return ended
}

// name returns a name that is new in this run.
func (l *lab) name() string {
	l.made++
	return fmt.Sprintf("bench_%d", l.made)
}

// database returns the URL of a new, empty database.
func (l *lab) database(ctx context.Context) (string, error) {
	if l.server == nil {
		var err error
		if l.server, err = pgtest.New(pgtest.Options{Fsync: true, Settings: settings}); err != nil {
			return "", err
		}
	}
	name := l.name()
	if err := execute(ctx, l.server.URL(), "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	l.atEnd(func() error {
		return execute(context.WithoutCancel(ctx), l.server.URL(), "DROP DATABASE "+name+" WITH (FORCE)")
	})
	u, err := url.Parse(l.server.URL())
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// execute runs SQL on a connection of its own.
func execute(ctx context.Context, url, statements string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, statements).ReadAll()
	return err
}

// settle does at once what the server does in the background after a database was
// filled: it gathers statistics for the planner and writes dirty pages.
func settle(ctx context.Context, pool *pgxpool.Pool) error {
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// pool returns a pool with all its connections open.
func (l *lab) pool(ctx context.Context, url string, connections int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = int32(connections), int32(connections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	l.atEnd(func() error { pool.Close(); return nil })
	return pool, pool.Ping(ctx)
}

// newPool returns a pool on a new database.
func (l *lab) newPool(ctx context.Context, connections int) (*pgxpool.Pool, error) {
	url, err := l.database(ctx)
	if err != nil {
		return nil, err
	}
	return l.pool(ctx, url, connections)
}

// postgres returns a store in a new database, and its pool.
func (l *lab) postgres(ctx context.Context, connections int) (*postgres.Store, *pgxpool.Pool, error) {
	pool, err := l.newPool(ctx, connections)
	if err != nil {
		return nil, nil, err
	}
	if err := postgres.Migrate(ctx, pool, postgres.Config{}); err != nil {
		return nil, nil, err
	}
	s, err := postgres.Open(ctx, pool, postgres.Config{})
	return s, pool, err
}

// sqlite returns a new SQLite database with the settings that [sqlite.Open] needs.
func (l *lab) sqlite(connections int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(l.dir, l.name()+".db")))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	l.atEnd(db.Close)
	return db, nil
}

// nats returns a connection to a new NATS server in this process, over TCP.
func (l *lab) nats() (*nats.Conn, error) {
	server, err := natsd.Start(natsd.Config{Dir: filepath.Join(l.dir, l.name()), Addr: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	l.atEnd(func() error { server.Shutdown(); return nil })
	nc, err := nats.Connect(server.URL())
	if err != nil {
		return nil, err
	}
	l.atEnd(func() error { nc.Close(); return nil })
	return nc, nil
}
