package consume_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/jackc/pgx/v5"
)

// dumpDisk is a PostgreSQL database whose backups are files of pg_dump.
type dumpDisk struct {
	moving
	random   *rand.Rand
	how      restoreInto
	dir      string
	n        int
	servers  []*pgtest.Server // the database is on the first one
	database string
}

// restoreInto says where pg_restore puts a dump.
type restoreInto int

const (
	inPlace restoreInto = iota
	newDatabase
	newCluster
)

// databases counts those that were made, which have a name each.
var databases atomic.Int64

// newDumpDisk makes a database on the first server. A new cluster is the other
// one.
func newDumpDisk(t testing.TB, random *rand.Rand, how restoreInto, servers ...*pgtest.Server) disk {
	t.Helper()
	d := &dumpDisk{random: random, how: how, dir: t.TempDir(), servers: servers}
	d.moveTo(t, d.create(t, servers[0]))
	d.open(t)
	return d
}

func newClusterDisk(t testing.TB, random *rand.Rand) disk {
	t.Helper()
	servers := []*pgtest.Server{pgtest.Start(t, pgtest.Options{}), pgtest.Start(t, pgtest.Options{})}
	// Transaction ids of the first one are far ahead.
	statement(t, servers[0].URL(), `DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`)
	return newDumpDisk(t, random, newCluster, servers...)
}

// create makes an empty database and returns its URL.
func (d *dumpDisk) create(t testing.TB, s *pgtest.Server) string {
	t.Helper()
	d.database = fmt.Sprint("store_", databases.Add(1))
	statement(t, s.URL(), "CREATE DATABASE "+d.database)
	return on(s, d.database)
}

// on returns the URL of a database of a server.
func on(s *pgtest.Server, database string) string {
	u, err := url.Parse(s.URL())
	if err != nil {
		panic(err)
	}
	u.Path = "/" + database
	return u.String()
}

func (d *dumpDisk) copyOf(k int) string { return filepath.Join(d.dir, fmt.Sprint(k)) }
func (d *dumpDisk) backups() int        { return d.n }

func (d *dumpDisk) backup(t testing.TB) {
	t.Helper()
	if out, err := d.command("pg_dump", "--format=custom", "--file", d.copyOf(d.n), on(d.servers[0], d.database)); err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	d.n++
}

func (d *dumpDisk) command(name string, args ...string) ([]byte, error) {
	return exec.Command(filepath.Join(d.servers[0].Bin(), name), args...).CombinedOutput()
}

func (d *dumpDisk) putBack(t testing.TB, k int) {
	t.Helper()
	switch d.how {
	case inPlace:
		d.restoreInPlace(t, k)
	case newDatabase:
		d.restoreBeside(t, k, d.servers[0])
	case newCluster:
		if err := d.servers[1].Resume(); err != nil {
			t.Fatal(err)
		}
		d.restoreBeside(t, k, d.servers[1])
	}
	d.look()
}

func (d *dumpDisk) replace(t testing.TB, k int) {
	t.Helper()
	d.putBack(t, k)
	d.open(t)
}

// restoreInPlace restores a dump over the database, in one transaction that waits
// for those of the programs, and that they can make a victim of a deadlock.
func (d *dumpDisk) restoreInPlace(t testing.TB, k int) {
	t.Helper()
	for {
		out, err := d.command("pg_restore", "--clean", "--if-exists", "--single-transaction", "--exit-on-error",
			"--dbname", on(d.servers[0], d.database), d.copyOf(k))
		if err == nil {
			return
		}
		if !strings.Contains(string(out), "deadlock detected") {
			t.Fatalf("pg_restore: %v\n%s", err, out)
		}
	}
}

// restoreBeside restores a dump into a new database, to which the programs move
// before or after the old one ends.
func (d *dumpDisk) restoreBeside(t testing.TB, k int, to *pgtest.Server) {
	t.Helper()
	from, old := d.servers[0], d.database
	url := d.create(t, to)
	if out, err := d.command("pg_restore", "--exit-on-error", "--dbname", url, d.copyOf(k)); err != nil {
		t.Fatalf("pg_restore: %v\n%s", err, out)
	}
	move := func() { d.moveTo(t, url) }
	end := func() {
		statement(t, from.URL(), fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", old))
		statement(t, from.URL(), fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", old))
	}
	if to != from {
		d.servers[0], d.servers[1] = to, from
		end = func() {
			if err := from.Stop(pgtest.Immediate); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d.random.IntN(2) == 0 {
		move()
		end()
	} else {
		end()
		move()
	}
}

// statement runs one that cannot run in a transaction.
func statement(t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
