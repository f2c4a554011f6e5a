package eventus_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"
)

// TestBackupPage follows docs/backup.md with the sample service, which runs while
// it is backed up and goes on with the backup.
func TestBackupPage(t *testing.T) {
	t.Parallel()
	p := openPage(t, "docs/backup.md")
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		followBackupOfSQLite(p.inFolder(t))
	})
	t.Run("a dump of PostgreSQL", func(t *testing.T) {
		t.Parallel()
		followDump(p.onServer(t, pgtest.Options{}, "pg_dump", "pg_restore", "psql"))
	})
	t.Run("a moment of PostgreSQL", func(t *testing.T) {
		t.Parallel()
		full := pgtest.Options{Settings: map[string]string{"full_page_writes": "on"}}
		followPointInTime(p.onServer(t, full, "pg_basebackup", "pg_verifybackup", "psql"))
	})
}

func followBackupOfSQLite(p *page) {
	data := p.TempDir()
	p.set("DATA", data)
	before := startProductd(p.T, "-data", data)
	createProduct(p.T, before.url, "lamp")
	file, alone := filepath.Join(data, "product.db"), filepath.Join(p.TempDir(), "alone.db")
	copyFile(p.T, file, alone)
	p.runGo("Back up a file", file, filepath.Join(p.dir, "backup.db"))
	createProduct(p.T, before.url, "desk")
	awaitPublished(func() bool { return outboxInFile(p.T, file) == 0 })
	before.stop()
	if n := eventsInFile(p.T, alone); n != 0 {
		p.Errorf("the file alone has %d events: the page says that the last commits are not in it", n)
	}

	p.run("Restore a file")
	checkRestored(p, startProductd(p.T, "-data", data, "-seed=false"))
}

// followDump has a follower in another database beside the sample service.
func followDump(p *page, server *pgtest.Server) {
	databases := make(map[string]string)
	for _, name := range []string{"shop", "restored", "views", "small"} {
		databases[name] = databaseOf(server.URL(), name)
		p.set(strings.ToUpper(name), databases[name])
		if name != "restored" {
			p.sql(server.URL(), "CREATE DATABASE "+name)
		}
	}
	data := p.TempDir()
	before := startProductd(p.T, "-data", data, "-postgres", databases["shop"])
	createProduct(p.T, before.url, "lamp")
	p.sql(databases["shop"], "INSERT INTO snapshots SELECT category, stream_id, 99, version, event_id, 'c', 'x' FROM event_store")
	p.run("Dump")
	createProduct(p.T, before.url, "desk")
	awaitPublished(func() bool { return p.sql(databases["shop"], "SELECT count(*) FROM outbox") == "0" })
	elsewhere := followElsewhere(p.T, databases["shop"], databases["views"])
	elsewhere.await(consume.Running, 3)
	elsewhere.stop()
	before.stop()

	p.run("Restore a dump")
	if out, err := p.shell(`pg_restore --exit-on-error --dbname="$SMALL" small.dump`, p.env...).CombinedOutput(); err != nil {
		p.Fatalf("%v\n%s", err, out)
	}
	for name, want := range map[string]string{"restored": "2 2", "small": "2 0"} {
		if got := p.sql(databases[name], "SELECT (SELECT count(*) FROM event_store) || ' ' || (SELECT count(*) FROM snapshots)"); got != want {
			p.Errorf("%s has %s events and snapshots, want %s", name, got, want)
		}
	}
	checkRestored(p, startProductd(p.T, "-data", data, "-postgres", databases["restored"], "-seed=false"))

	elsewhere = followElsewhere(p.T, databases["restored"], databases["views"])
	elsewhere.await(consume.ForkedLog, 3)
	p.run("Rebuild a follower")
	elsewhere.await(consume.Running, 3)
	elsewhere.stop()
}

func followPointInTime(p *page, server *pgtest.Server) {
	p.set("SHOP", server.URL())
	p.set("ARCHIVE", p.makeDir("archive"))
	p.set("BASE", filepath.Join(p.dir, "base"))
	restored := p.setCluster("DATA", "OPTIONS", "RESTORED", "restored")
	p.run("Archive the WAL")
	if err := server.Restart(pgtest.Fast); err != nil {
		p.Fatal(err)
	}
	data := p.TempDir()
	before := startProductd(p.T, "-data", data, "-postgres", server.URL())
	p.run("Take a base backup")
	createProduct(p.T, before.url, "lamp")
	p.run("Mark a moment")
	createProduct(p.T, before.url, "desk")
	awaitPublished(func() bool { return p.sql(server.URL(), "SELECT count(*) FROM outbox") == "0" })
	before.stop()
	if err := server.Stop(pgtest.Fast); err != nil {
		p.Fatal(err)
	}

	p.run("Restore to a moment")
	checkRestored(p, startProductd(p.T, "-data", data, "-postgres", restored, "-seed=false"))
}

// checkRestored checks what the page says of a service after its restore: the
// lamp is there, and the desk, which came after the backup, is not.
func checkRestored(p *page, sample *productd) {
	p.Helper()
	t := p.T
	if len(p.env) > 1 { // there is psql
		if out := p.run("Check what was restored"); !strings.Contains(out, "(0 rows)") {
			t.Errorf("streams with wrong versions:\n%s", out)
		}
	}
	line := regexp.QuoteMeta(strings.TrimSpace(p.blocks("When an older state is back", "")[0]))
	sample.await(t, regexp.MustCompile(line))
	createProduct(t, sample.url, "table")
	awaitView(t, sample.url, "table")
	for id, want := range map[string]string{"lamp": `"version":1}`, "desk": `"status":404`} {
		if got := curl(t, sample.url, "http://127.0.0.1:8080/products/"+id); !strings.Contains(got, want) {
			t.Errorf("%s: got %s", id, got)
		}
	}
	for _, block := range p.blocks("Check what was restored", "console") {
		checkAnswers(t, sample.url, block)
	}
}

func createProduct(t *testing.T, url, id string) {
	t.Helper()
	got := curl(t, url, `http://127.0.0.1:8080/products -H 'Content-Type: application/json' -d '{"id": "`+id+`", "name": "N", "price": {"amount": 1, "currency": "EUR"}}'`)
	if !strings.Contains(got, `"version":1}`) {
		t.Fatalf("create %s: %s", id, got)
	}
}

// awaitView returns when the read model has a product. In a young backup its
// consumer has an owner, whose lease runs for 20 seconds.
func awaitView(t *testing.T, url, id string) {
	t.Helper()
	for !strings.Contains(curl(t, url, "http://127.0.0.1:8080/products/"+id+"?wait=1"), `"version":1}`) {
		time.Sleep(50 * time.Millisecond)
	}
}

// awaitPublished returns when the broker has what will be lost, so that the relay
// can find out.
func awaitPublished(published func() bool) {
	for !published() {
		time.Sleep(20 * time.Millisecond)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// databaseOf returns the URL of another database of a server.
func databaseOf(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(fmt.Sprintf("the URL of a server that runs: %v", err))
	}
	u.Path = "/" + name
	return u.String()
}

// elsewhere is a follower of a log whose read model is in another database.
type elsewhere struct {
	*testing.T
	follower *consume.Follower[pgx.Tx]
	stop     func()
}

func followElsewhere(t *testing.T, logURL, viewsURL string) *elsewhere {
	t.Helper()
	log, db := openStoreAt(t, logURL), openStoreAt(t, viewsURL)
	pool := poolOf(t, viewsURL)
	views, err := product.OpenPostgresViews(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	projection := product.NewProjection(views)
	e := &elsewhere{T: t, follower: consume.Follow("product_views", consume.Across[pgx.Tx](log, db), consume.Config{},
		consume.On(product.Products, projection.Handle), consume.OnReset(projection.Reset))}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.follower.Run(ctx) }()
	e.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the follower ended with %v", err)
		}
	}
	return e
}

// awaitStatus returns when the follower has a status, at a position.
func (e *elsewhere) await(status consume.Status, position int64) {
	e.Helper()
	for {
		state, err := e.follower.State(e.Context())
		if err != nil && !errors.Is(err, store.ErrNoConsumer) {
			e.Fatal(err)
		}
		if state.Status == status && state.Segments[0].Position == position {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func poolOf(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func openStoreAt(t *testing.T, url string) *postgres.Store {
	t.Helper()
	pool := poolOf(t, url)
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outboxInFile counts what the relay has not published yet of a file of SQLite.
func outboxInFile(t *testing.T, file string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(file))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM outbox").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// eventsInFile counts the events in a file of SQLite, which may be empty.
func eventsInFile(t *testing.T, file string) int {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(file))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.ReadAll(t.Context(), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(log)
}
