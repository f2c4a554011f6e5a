// Package consume_test makes the databases beside this file: sqlite.sql and
// postgres.sql. It is written for commit 11b4396, the last one whose consumers
// kept an inbox. To run it:
//
//	git worktree add /tmp/before 11b4396
//	cp consume/testdata/before/generate_test.go /tmp/before/consume/
//	cd /tmp/before && BEFORE=$OLDPWD/consume/testdata/before go test ./consume -run TestGenerate -count=1 -timeout=5m -v
//
// It needs the programs sqlite3 and pg_dump.
package consume_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"
)

type happened struct {
	N int `json:"n"`
}

func table(category string) *eventus.EventTable[happened] {
	return eventus.Foreign(category, eventus.Known("happened", func(e happened) happened { return e }))
}

type database[Tx any] interface {
	store.Store
	store.Log
	store.Outbox
	store.Inbox[Tx]
}

const effectsTable = `CREATE TABLE effects (consumer text NOT NULL, category text NOT NULL, stream_id text NOT NULL, version bigint NOT NULL, event_id text NOT NULL)`

// play leaves a database as a program leaves it that was killed in the middle.
func play[Tx any](t *testing.T, db database[Tx], exec func(ctx context.Context, tx Tx, query string, args ...any) error) {
	broker := brokermemory.New(brokermemory.Config{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	running := 0
	run := func(f func(context.Context) error) {
		running++
		go func() { done <- f(ctx) }()
	}
	consumer := func(name, category string, cfg consume.Config) {
		handler := consume.HandlerFunc[Tx, happened](func(ctx context.Context, tx Tx, m eventus.Message[happened]) error {
			switch {
			case name == "board" && strings.HasPrefix(m.Stream.ID, "poison") && m.Version >= 2, strings.HasPrefix(m.Stream.ID, "refused"):
				return consume.Permanent(errors.New("this will never do"))
			case name == "board" && strings.HasPrefix(m.Stream.ID, "waits") && m.Version >= 2:
				return consume.Transient(errors.New("not yet"))
			}
			return exec(ctx, tx, `INSERT INTO effects (consumer, category, stream_id, version, event_id) VALUES ($1, $2, $3, $4, $5)`,
				name, m.Stream.Category, m.Stream.ID, m.Version, m.ID)
		})
		cfg.Sweep = 50 * time.Millisecond
		run(consume.New(consume.Idempotent(name, store.Inbox[Tx](db), consume.Handler[Tx, happened](handler), consume.Retry{}), table(category), broker, cfg).Run)
	}
	write := func(category, id string, n int) {
		for range n {
			e, err := table(category).Encode(happened{n})
			if err != nil {
				t.Fatal(err)
			}
			e.ID, e.Time = uuid.NewString(), time.Now()
			if _, err := db.Append(t.Context(), store.Stream{Category: category, ID: id}, store.Any, []store.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(outbox.New(db, broker, outbox.Config{Source: "/before"}).Run)
	consumer("board", "order", consume.Config{Log: db})
	consumer("board", "stock", consume.Config{Log: db})
	consumer("mails", "order", consume.Config{Log: db})
	consumer("live", "stock", consume.Config{}) // fed by the broker alone

	write("order", "done", 2)
	write("stock", "done", 1)
	write("other", "done", 1)
	write("order", "poison", 4)
	write("stock", "refused", 2)
	write("order", "żółw 🛒 'x'", 2)
	time.Sleep(3 * time.Second)

	write("order", "waits", 3) // the board's position in order stays before the second
	write("order", "done", 1)
	write("stock", "done", 1)
	write("order", "poison", 1)
	write("order", "new", 2)
	write("stock", "new", 1)
	time.Sleep(3 * time.Second)

	stop()
	for range running {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	write("order", "done", 1)
	write("order", "waits", 1)
	write("order", "poison", 1)
	write("stock", "done", 1)
	write("order", "late", 2)
}

func TestGenerateSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "before.db")
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(effectsTable); err != nil {
		t.Fatal(err)
	}
	play(t, s, func(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	var version int
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	dump, err := exec.Command("sqlite3", path, ".dump").Output()
	if err != nil {
		t.Fatal(err)
	}
	save(t, "sqlite.sql", fmt.Sprintf("%sPRAGMA user_version = %d;\n", dump, version))
}

func TestGeneratePostgres(t *testing.T) {
	pool := pgtest.Pool(t)
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), effectsTable); err != nil {
		t.Fatal(err)
	}
	play(t, s, func(ctx context.Context, tx pgx.Tx, query string, args ...any) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	var schema string
	if err := pool.QueryRow(t.Context(), `SELECT current_schema()`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	save(t, "postgres.sql", dumpPostgres(t, pool, schema))
}

// dumpPostgres returns the content of the schema as SQL in which the schema's
// name is eventus_before. Lines for psql alone, and the one that creates the
// schema, are left out.
func dumpPostgres(t *testing.T, pool *pgxpool.Pool, schema string) string {
	c := pool.Config().ConnConfig
	dump := exec.Command("pg_dump", "--inserts", "--no-owner", "--schema="+schema,
		"--host="+c.Host, fmt.Sprintf("--port=%d", c.Port), "--username="+c.User, c.Database)
	dump.Env = append(os.Environ(), "PGPASSWORD="+c.Password)
	out, err := dump.Output()
	if err != nil {
		t.Fatal(err)
	}
	var kept strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(string(out), schema, "eventus_before")) {
		if !strings.HasPrefix(line, `\`) && !strings.HasPrefix(line, "CREATE SCHEMA") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func save(t *testing.T, name, text string) {
	if err := os.WriteFile(filepath.Join(os.Getenv("BEFORE"), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
