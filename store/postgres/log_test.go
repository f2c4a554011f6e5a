package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func begin(t testing.TB, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	return tx
}

func execTx(t testing.TB, tx pgx.Tx, statement string) {
	t.Helper()
	if _, err := tx.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t testing.TB, s store.Store, id string, n int) {
	t.Helper()
	if _, err := s.Append(t.Context(), streamOf(id), store.Any, events(n)); err != nil {
		t.Fatal(err)
	}
}

// mustLog checks which streams' events the log has, in its order.
func mustLog(t testing.TB, s store.Log, want ...string) {
	t.Helper()
	own, err := s.ReadStretch(t.Context(), store.Range{Limit: 1000, Categories: []string{stream.Category}})
	if err != nil {
		t.Fatal(err)
	}
	others, err := s.ReadStretch(t.Context(), store.Range{Limit: 1000, Categories: []string{"other"}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.ReadAll(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, messages := range [][]store.Message{own.Messages, page} {
		var got []string
		for _, m := range messages {
			got = append(got, m.Stream.ID)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the log has the events of %q, want %q", got, want)
		}
	}
	if n := len(page); n > 0 && (own.Last != store.PlaceOf(&page[n-1]) || others.Last != own.Last) {
		t.Fatalf("the log ends at %+v, a stretch of its category at %+v, and one of another category at %+v", store.PlaceOf(&page[n-1]), own.Last, others.Last)
	}
}

func commit(t testing.TB, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func rollback(t testing.TB, tx pgx.Tx) {
	t.Helper()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOrderOfTheLog(t *testing.T) {
	setup := func(t *testing.T) (*postgres.Store, *pgxpool.Pool) {
		pool := pgtest.Pool(t)
		return openStore(t, pool), pool
	}
	for name, before := range map[string]string{
		"an event that commits late is waited for":                            "SELECT 1",
		"an event of a transaction that wrote before is waited for":           "INSERT INTO rows (n) VALUES (2)",
		"an event of a transaction that locked a row before is waited for":    "SELECT * FROM rows FOR UPDATE",
		"an event of a transaction with a subtransaction is waited for":       "SAVEPOINT a; INSERT INTO rows (n) VALUES (2); RELEASE a; SAVEPOINT b",
		"an event of a transaction at repeatable read is waited for":          "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"an event of a transaction at serializable is waited for":             "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
		"an event of a transaction that does not wait for disk is waited for": "SET LOCAL synchronous_commit = off",
	} {
		t.Run(name, func(t *testing.T) {
			s, pool := setup(t)
			execAll(t, pool, "CREATE TABLE rows (n int); INSERT INTO rows (n) VALUES (1)")
			appendTo(t, s, "first", 1)
			late := begin(t, pool)
			for statement := range strings.SplitSeq(before, ";") {
				execTx(t, late, statement)
			}
			appendTo(t, s.WithTx(late), "late", 2)
			appendTo(t, s, "early", 1)
			for range 3 {
				mustLog(t, s, "first")
			}
			commit(t, late)
			mustLog(t, s, "first", "late", "late", "early")
		})
	}
	t.Run("the holes of a rolled back transaction and of a savepoint are passed", func(t *testing.T) {
		s, pool := setup(t)
		tx := begin(t, pool)
		appendTo(t, s.WithTx(tx), "a", 3)
		rollback(t, tx)
		tx = begin(t, pool)
		execTx(t, tx, "SAVEPOINT a")
		appendTo(t, s.WithTx(tx), "b", 3)
		execTx(t, tx, "ROLLBACK TO a")
		appendTo(t, s.WithTx(tx), "c", 1)
		commit(t, tx)
		mustLog(t, s, "c")
		appendTo(t, s, "d", 1)
		mustLog(t, s, "c", "d")
	})
	t.Run("an older log that is put back is not settled where the other one was", func(t *testing.T) {
		s, pool := setup(t)
		appendTo(t, s, "a", 2)
		gone := begin(t, pool)
		appendTo(t, s.WithTx(gone), "gone", 3)
		rollback(t, gone)
		appendTo(t, s, "b", 5)
		mustLog(t, s, "a", "a", "b", "b", "b", "b", "b") // the hole is settled
		rewind(t, pool, 2)
		mustLog(t, s, "a", "a")
		late := begin(t, pool)
		appendTo(t, s.WithTx(late), "late", 1)
		appendTo(t, s, "early", 1)
		for range 3 {
			mustLog(t, s, "a", "a")
		}
		commit(t, late)
		mustLog(t, s, "a", "a", "late", "early")
	})
	t.Run("the hole of an appender whose connection is lost is passed", func(t *testing.T) {
		s, pool := setup(t)
		lost := begin(t, pool)
		appendTo(t, s.WithTx(lost), "lost", 3)
		appendTo(t, s, "a", 1)
		mustLog(t, s)
		terminate(t, pool, lost)
		mustLog(t, s, "a")
	})
	t.Run("open transactions that do not append hold nothing up", func(t *testing.T) {
		s, pool := setup(t)
		execAll(t, pool, "CREATE TABLE rows (n int)")
		writer := begin(t, pool)
		execTx(t, writer, "INSERT INTO rows (n) VALUES (1)")
		elsewhere := begin(t, database(t, pool))
		execTx(t, elsewhere, "CREATE TABLE rows (n int)")
		tx := begin(t, pool)
		appendTo(t, s.WithTx(tx), "a", 1)
		rollback(t, tx)
		appendTo(t, s, "b", 1)
		mustLog(t, s, "b")
	})
	t.Run("appenders of another schema and another database hold nothing up", func(t *testing.T) {
		s, pool := setup(t)
		for i, elsewhere := range []*pgxpool.Pool{pgtest.Pool(t), database(t, pool)} {
			schema := fmt.Sprint("Elsewhere ", i)
			if i == 1 { // of the same name: its locks have the same key
				schema = currentSchema(t, pool)
			}
			config := postgres.Config{Schema: schema}
			if err := postgres.Migrate(t.Context(), elsewhere, config); err != nil {
				t.Fatal(err)
			}
			other, err := postgres.Open(t.Context(), elsewhere, config)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				t.Cleanup(func() { execAll(t, elsewhere, `DROP SCHEMA "Elsewhere 0" CASCADE`) })
			}
			appendTo(t, other.WithTx(begin(t, elsewhere)), "a", 1)
		}
		tx := begin(t, pool)
		appendTo(t, s.WithTx(tx), "a", 1)
		rollback(t, tx)
		appendTo(t, s, "b", 1)
		mustLog(t, s, "b")
	})
	t.Run("a hole is passed once those have ended who appended when it was seen, whoever appends now", func(t *testing.T) {
		s, pool := setup(t)
		open := begin(t, pool)
		appendTo(t, s.WithTx(open), "open", 1)
		tx := begin(t, pool)
		appendTo(t, s.WithTx(tx), "hole", 1)
		rollback(t, tx)
		appendTo(t, s, "a", 1)
		mustLog(t, s)
		next := begin(t, pool)
		appendTo(t, s.WithTx(next), "next", 1)
		appendTo(t, s, "b", 1)
		commit(t, open)
		mustLog(t, s, "open", "a")
		commit(t, next)
		mustLog(t, s, "open", "a", "next", "b")
	})
	t.Run("an event that commits between the page and the look at the locks is not skipped", func(t *testing.T) {
		s, pool := setup(t)
		late := begin(t, pool)
		appendTo(t, s.WithTx(late), "late", 1)
		appendTo(t, s, "early", 1)
		reader := openStore(t, traced(t, pool, func(sql string) {
			if strings.Contains(sql, "pg_locks") && late != nil {
				commit(t, late)
				late = nil
			}
		}))
		mustLog(t, reader, "late", "early")
	})
	t.Run("a position that is drawn by a statement still running is waited for", func(t *testing.T) {
		s, pool := setup(t)
		execAll(t, pool, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN PERFORM pg_advisory_xact_lock(4242); RETURN new; END';
			CREATE TRIGGER slow BEFORE INSERT ON event_store FOR EACH ROW WHEN (new.stream_id = 'slow') EXECUTE FUNCTION slow()`)
		gate := begin(t, pool)
		execTx(t, gate, "SELECT pg_advisory_xact_lock(4242)")
		slow := make(chan error, 1)
		go func() {
			_, err := s.Append(t.Context(), streamOf("slow"), store.Any, events(1))
			slow <- err
		}()
		awaitWaiting(t, pool, 1)
		appendTo(t, openStore(t, pool), "fast", 1)
		mustLog(t, s)
		rollback(t, gate)
		if err := <-slow; err != nil {
			t.Fatal(err)
		}
		mustLog(t, s, "slow", "fast")
	})
	t.Run("BlockedBy names who holds the log up, and nobody when nobody does", func(t *testing.T) {
		s, pool := setup(t)
		appendTo(t, s, "first", 1)
		late := begin(t, pool)
		execTx(t, late, "SET LOCAL application_name = 'the late one'")
		appendTo(t, s.WithTx(late), "late", 1)
		appendTo(t, s, "early", 1)
		mustBlock(t, s, 0)
		mustLog(t, s, "first")
		h := mustBlock(t, s, 1)
		if by := h.By[0]; h.Position != 2 || by.PID != int(late.Conn().PgConn().PID()) || by.Application != "the late one" ||
			by.State != "idle in transaction" || by.Prepared != "" || time.Since(by.Began) > time.Minute || time.Since(h.Since) > time.Minute {
			t.Errorf("got %+v", h)
		}
		rollback(t, late)
		mustBlock(t, s, 0)
		mustLog(t, s, "first", "early")
		mustBlock(t, s, 0)
	})
}

func mustBlock(t testing.TB, s *postgres.Store, appenders int) store.LogBlock {
	t.Helper()
	h, err := s.BlockedBy(t.Context())
	if err != nil || len(h.By) != appenders || (h.Position == 0) != (appenders == 0) {
		t.Fatalf("got %+v, error %v, want %d appenders", h, err, appenders)
	}
	return h
}

// TestNoReaderSkips lets transactions of every length and outcome race with
// readers.
func TestNoReaderSkips(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	const writers, rounds = 8, 60
	done := make(chan struct{})
	seen := make([][]int64, 5)
	var reading, writing sync.WaitGroup
	for r := range seen {
		reader := openStore(t, pool)
		reading.Go(func() {
			var after int64
			for last := false; ; {
				var page []store.Message
				var err error
				if r < 3 {
					page, err = reader.ReadAll(t.Context(), after, 1+r*50)
				} else {
					var stretch store.Stretch
					stretch, err = reader.ReadStretch(t.Context(), store.Range{After: after, Limit: 1 + r%3*50, Categories: []string{stream.Category}})
					page = stretch.Messages
				}
				if err != nil {
					t.Errorf("read the log: %v", err)
					return
				}
				for _, m := range page {
					after = m.Position
					seen[r] = append(seen[r], m.Position)
				}
				if len(page) > 0 {
					continue
				}
				if last {
					return
				}
				select {
				case <-done:
					last = true
				default:
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range rounds {
				if err := appendSomehow(t.Context(), s, pool, random, fmt.Sprint(w)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	rows, err := pool.Query(t.Context(), "SELECT position FROM event_store ORDER BY position")
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	for r := range seen {
		if !slices.Equal(seen[r], want) {
			t.Errorf("reader %d has seen %d positions of %d", r, len(seen[r]), len(want))
		}
	}
}

// appendSomehow appends at once, or in a transaction that lasts for a while and
// sometimes rolls back.
func appendSomehow(ctx context.Context, s *postgres.Store, pool *pgxpool.Pool, random *rand.Rand, id string) error {
	if random.IntN(2) == 0 {
		_, err := s.Append(ctx, streamOf(id), store.Any, events(1+random.IntN(3)))
		return err
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for range 1 + random.IntN(2) {
		if _, err := s.WithTx(tx).Append(ctx, streamOf(id), store.Any, events(1+random.IntN(3))); err != nil {
			return err
		}
		time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond) // lets others overtake
	}
	if random.IntN(3) == 0 {
		return nil
	}
	return tx.Commit(ctx)
}

func TestPreparedTransactions(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_prepared_transactions": "10"}})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	prepare := func(t *testing.T, id string, met func()) {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, s.WithTx(tx), id, 1)
		appendTo(t, s, "after "+id, 1)
		met()
		execTx(t, tx, "PREPARE TRANSACTION '"+id+"'")
		_ = tx.Rollback(t.Context()) // pgx does not know that it is over
	}
	want := []string{}
	t.Run("an event of a prepared transaction is waited for", func(t *testing.T) {
		prepare(t, "a", func() {})
		mustLog(t, s, want...)
		if by := mustBlock(t, s, 1).By[0]; by.Prepared != "a" || by.PID != 0 {
			t.Errorf("held up by %+v", by)
		}
		execAll(t, pool, "COMMIT PREPARED 'a'")
		want = append(want, "a", "after a")
		mustLog(t, s, want...)
	})
	t.Run("an event of a transaction that is prepared while a reader waits for it is waited for", func(t *testing.T) {
		prepare(t, "b", func() { mustLog(t, s, want...) })
		mustLog(t, s, want...)
		execAll(t, pool, "COMMIT PREPARED 'b'")
		want = append(want, "b", "after b")
		mustLog(t, s, want...)
	})
	t.Run("an event of a transaction prepared before a crash of the server is waited for", func(t *testing.T) {
		prepare(t, "c", func() {})
		mustLog(t, s, want...)
		if err := server.Restart(pgtest.Immediate); err != nil {
			t.Fatal(err)
		}
		pool.Reset()
		mustLog(t, s, want...)
		execAll(t, pool, "COMMIT PREPARED 'c'")
		want = append(want, "c", "after c")
		mustLog(t, s, want...)
	})
	t.Run("the hole of a prepared transaction that is rolled back is passed", func(t *testing.T) {
		prepare(t, "d", func() {})
		mustLog(t, s, want...)
		execAll(t, pool, "ROLLBACK PREPARED 'd'")
		want = append(want, "after d")
		mustLog(t, s, want...)
	})
	t.Run("a reader does not wait for those prepared after it met a hole", func(t *testing.T) {
		prepare(t, "e", func() {})
		mustLog(t, s, want...)
		prepare(t, "f", func() {})
		execAll(t, pool, "ROLLBACK PREPARED 'e'")
		want = append(want, "after e")
		mustLog(t, s, want...)
		execAll(t, pool, "COMMIT PREPARED 'f'")
		want = append(want, "f", "after f")
		mustLog(t, s, want...)
	})
}

func TestCrashOfTheServer(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	appendTo(t, s, "a", 1)
	tx := begin(t, pool)
	appendTo(t, s.WithTx(tx), "lost", 3)
	appendTo(t, s, "b", 1)
	mustLog(t, s, "a")
	if err := server.Restart(pgtest.Immediate); err != nil {
		t.Fatal(err)
	}
	pool.Reset()
	mustLog(t, s, "a", "b")
	appendTo(t, s, "c", 1)
	mustLog(t, s, "a", "b", "c")
	mustLog(t, openStore(t, pool), "a", "b", "c")
}

// without skips a test for want of a program, or fails it where PostgreSQL is
// required.
func without(t *testing.T, cure string) {
	t.Helper()
	if os.Getenv("EVENTUS_REQUIRE_POSTGRES") == "1" {
		t.Fatal(cure)
	}
	t.Skip(cure)
}

// TestDumpAndRestore moves a store with holes into a cluster that has counted
// far fewer transactions.
func TestDumpAndRestore(t *testing.T) {
	from, to := pgtest.Start(t, pgtest.Options{}), pgtest.Start(t, pgtest.Options{})
	if _, err := os.Stat(filepath.Join(from.Bin(), "pg_dump")); err != nil {
		without(t, "no pg_dump beside the server: install PostgreSQL's client programs of its version")
	}
	pools := make([]*pgxpool.Pool, 2)
	for i, server := range []*pgtest.Server{from, to} {
		pool, err := pgxpool.New(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		pools[i] = pool
	}
	s := openStore(t, pools[0])
	var want []string
	for i := range 50 {
		tx := begin(t, pools[0])
		appendTo(t, s.WithTx(tx), "lost", 1)
		rollback(t, tx)
		appendTo(t, s, fmt.Sprint(i), 1)
		want = append(want, fmt.Sprint(i))
	}
	mustLog(t, s, want...)

	dump := filepath.Join(t.TempDir(), "dump.sql")
	run(t, filepath.Join(from.Bin(), "pg_dump"), "--file", dump, "--dbname", from.URL())
	script, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	// psql commands, such as \restrict, are not for the server.
	script = bytes.Join(slices.DeleteFunc(bytes.SplitAfter(script, []byte("\n")), func(line []byte) bool {
		return bytes.HasPrefix(line, []byte(`\restrict`)) || bytes.HasPrefix(line, []byte(`\unrestrict`))
	}), nil)
	if err := os.WriteFile(dump, script, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, filepath.Join(to.Bin(), "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--file", dump, to.URL())

	restored := openStore(t, pools[1])
	mustLog(t, restored, want...)
	late := begin(t, pools[1])
	appendTo(t, restored.WithTx(late), "late", 1)
	appendTo(t, restored, "new", 1)
	mustLog(t, restored, want...)
	commit(t, late)
	mustLog(t, restored, append(want, "late", "new")...)
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// terminate breaks the connection of tx off and waits until it is gone.
func terminate(t testing.TB, pool *pgxpool.Pool, tx pgx.Tx) {
	t.Helper()
	var gone bool
	pid := tx.Conn().PgConn().PID()
	if err := pool.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 10000)", pid).Scan(&gone); err != nil || !gone {
		t.Fatalf("terminate %d: %v, error %v", pid, gone, err)
	}
}

// awaitWaiting returns when n sessions of this database wait for an advisory
// lock.
func awaitWaiting(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	for waiting := 0; waiting < n; {
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
}

// database makes another database on the server of pool.
func database(t testing.TB, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	name := "other_" + currentSchema(t, pool)
	execAll(t, pool, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	config := pool.Config()
	config.ConnConfig.Database = name
	delete(config.ConnConfig.RuntimeParams, "search_path")
	other, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}

func currentSchema(t testing.TB, pool *pgxpool.Pool) (schema string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT current_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// traced is a pool like another one that calls f before each query.
func traced(t testing.TB, pool *pgxpool.Pool, f func(sql string)) *pgxpool.Pool {
	t.Helper()
	config := pool.Config()
	config.ConnConfig.Tracer = tracer(f)
	other, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}

type tracer func(sql string)

func (f tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	f(data.SQL)
	return ctx
}

func (f tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// awaitBlocked returns when a session of this database waits for another's lock.
func awaitBlocked(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	for blocked := false; !blocked; {
		if err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0)`).Scan(&blocked); err != nil {
			t.Fatal(err)
		}
	}
}
