package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds each step that makes or removes something on the server.
const patience = time.Minute

// Pool returns a pool on an empty schema that is the test's own: it is the
// search_path of each connection. When t ends, the pool is closed and the schema
// dropped with all that is in it.
//
// Another process reaches the same schema by the URL that the pool was made
// from, pool.Config().ConnString().
//
// Without a server t is skipped, or fails if EVENTUS_REQUIRE_POSTGRES is set.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	url := serverURL(t)
	schema := "test_" + strings.ToLower(rand.Text())
	onServer(t, url, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { onServer(t, url, "DROP SCHEMA IF EXISTS "+schema+" CASCADE") })

	pool, err := pgxpool.New(t.Context(), withSearchPath(url, schema))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

// serverURL is the shared server's, or the end of the test.
func serverURL(t testing.TB) string {
	t.Helper()
	found := shared()
	switch {
	case found.err != nil:
		t.Fatalf("pgtest: %v", found.err)
	case found.url == "" && os.Getenv("EVENTUS_REQUIRE_POSTGRES") != "":
		t.Fatal(cure)
	case found.url == "":
		t.Skip(cure)
	}
	return found.url
}

// onServer runs one statement on a connection of its own. A table that somebody
// still has locked is told after the lock_timeout, and not waited for.
func onServer(t testing.TB, url, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Errorf("pgtest: %v", err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET lock_timeout = '10s'; SET client_min_messages = warning; "+statement); err != nil {
		t.Errorf("pgtest: %s: %v", statement, err)
	}
}

func withSearchPath(server, schema string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(fmt.Sprintf("pgtest: a URL that was connected to is none: %v", err))
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

// closePool does not wait for ever for a connection that the test did not
// release.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("pgtest: the test ends with %d connections of its pool not released", pool.Stat().AcquiredConns())
	}
}
