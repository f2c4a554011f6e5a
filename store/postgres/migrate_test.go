package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMigrate(t *testing.T) {
	t.Run("many can migrate and open at once", func(t *testing.T) {
		pool := pgtest.Pool(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
					t.Errorf("migrate: %v", err)
					return
				}
				s, err := postgres.Open(t.Context(), pool, postgres.Config{})
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				if _, err := s.Append(t.Context(), stream, store.Any, events(1)); err != nil {
					t.Errorf("append: %v", err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("many can migrate into a schema that is not there yet, of any name", func(t *testing.T) {
		pool := pgtest.Pool(t)
		config := postgres.Config{Schema: currentSchema(t, pool) + ` a"b';--é`}
		t.Cleanup(func() { execAll(t, pool, "DROP SCHEMA "+pgx.Identifier{config.Schema}.Sanitize()+" CASCADE") })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := postgres.Migrate(t.Context(), pool, config); err != nil {
					t.Errorf("migrate: %v", err)
				}
			})
		}
		wg.Wait()
		s, err := postgres.Open(t.Context(), pool, config)
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, s, "a", 1)
		mustLog(t, s, "a")
		if exists(t, pool, "event_store") {
			t.Error("a table has come into the current schema")
		}
	})
	t.Run("stores in two schemas of one database do not touch", func(t *testing.T) {
		pool := pgtest.Pool(t)
		first := openStore(t, pool)
		second := openStore(t, pgtest.Pool(t))
		appendTo(t, first, "a", 1)
		appendTo(t, second, "b", 2)
		mustLog(t, first, "a")
		mustLog(t, second, "b", "b")
	})
	t.Run("the session's search_path leads no statement elsewhere", func(t *testing.T) {
		pool := pgtest.Pool(t)
		config := postgres.Config{Schema: currentSchema(t, pool)}
		openStore(t, pool)
		elsewhere := pool.Config()
		elsewhere.ConnConfig.RuntimeParams["search_path"] = "pg_catalog"
		other, err := pgxpool.NewWithConfig(t.Context(), elsewhere)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		s, err := postgres.Open(t.Context(), other, config)
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, s, "a", 1)
		mustLog(t, s, "a")
	})
	t.Run("a migration that fails leaves nothing", func(t *testing.T) {
		pool := pgtest.Pool(t)
		execAll(t, pool, "CREATE TABLE outbox (mine int)")
		if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err == nil || !strings.Contains(err.Error(), "0001") {
			t.Errorf("got error %v, want the migration's name", err)
		}
		if exists(t, pool, "event_store") {
			t.Error("it left a table")
		}
	})
	t.Run("a newer schema is refused with the cure", func(t *testing.T) {
		pool := pgtest.Pool(t)
		openStore(t, pool)
		execAll(t, pool, "INSERT INTO eventus_migrations (version) VALUES (99)")
		_, opening := postgres.Open(t.Context(), pool, postgres.Config{})
		for _, err := range []error{opening, postgres.Migrate(t.Context(), pool, postgres.Config{})} {
			if !errors.Is(err, store.ErrNewerSchema) || !strings.Contains(err.Error(), "upgrade") {
				t.Errorf("got error %v, want store.ErrNewerSchema and the cure", err)
			}
		}
	})
	t.Run("the files are there for other tools, numbered without gaps", func(t *testing.T) {
		names, err := fs.Glob(postgres.Migrations(), "*.sql")
		if err != nil || len(names) == 0 {
			t.Fatalf("%d files, error %v", len(names), err)
		}
		for i, name := range names {
			if !strings.HasPrefix(name, fmt.Sprintf("%04d_", i+1)) {
				t.Errorf("%s is file %d", name, i+1)
			}
		}
	})
}

func exists(t testing.TB, pool *pgxpool.Pool, table string) (there bool) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there); err != nil {
		t.Fatal(err)
	}
	return there
}

func TestOpen(t *testing.T) {
	// refused checks that both ways in say the cure, in one line.
	refused := func(t *testing.T, pool *pgxpool.Pool, config postgres.Config, cure string) {
		t.Helper()
		_, opening := postgres.Open(t.Context(), pool, config)
		for _, err := range []error{opening, postgres.Migrate(t.Context(), pool, config)} {
			if err == nil || !strings.Contains(err.Error(), cure) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want one line with %q", err, cure)
			}
		}
	}
	// with is a pool with other settings.
	with := func(t *testing.T, change func(*pgxpool.Config)) *pgxpool.Pool {
		config := pgtest.Pool(t).Config()
		change(config)
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	t.Run("a database without the tables is refused with the cure", func(t *testing.T) {
		if _, err := postgres.Open(t.Context(), pgtest.Pool(t), postgres.Config{}); err == nil || !strings.Contains(err.Error(), "postgres.Migrate") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("a server that nobody is at is told with the cure", func(t *testing.T) {
		refused(t, with(t, func(c *pgxpool.Config) { c.ConnConfig.Host, c.ConnConfig.Port = "127.0.0.1", 1 }), postgres.Config{}, "check host and port")
	})
	t.Run("a database that is not there is told with the cure", func(t *testing.T) {
		refused(t, with(t, func(c *pgxpool.Config) { c.ConnConfig.Database = "nowhere" }), postgres.Config{}, "create the database")
	})
	t.Run("a role that is not there is told with the cure", func(t *testing.T) {
		refused(t, with(t, func(c *pgxpool.Config) { c.ConnConfig.User = "nobody_at_all" }), postgres.Config{}, "check user and password")
	})
	t.Run("a search_path that leads nowhere is refused with the cure", func(t *testing.T) {
		refused(t, with(t, func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["search_path"] = "nowhere" }), postgres.Config{}, "Config.Schema")
	})
	t.Run("synchronous_commit=off is refused with the cure", func(t *testing.T) {
		refused(t, with(t, func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["synchronous_commit"] = "off" }), postgres.Config{}, "ALTER ROLE")
	})
	t.Run("a role that may not create tables is told with the cure", func(t *testing.T) {
		pool := pgtest.Pool(t)
		schema := currentSchema(t, pool)
		execAll(t, pool, "CREATE ROLE "+schema)
		execAll(t, pool, "GRANT USAGE ON SCHEMA "+schema+" TO "+schema)
		t.Cleanup(func() { execAll(t, pool, "DROP OWNED BY "+schema+"; DROP ROLE "+schema) })
		role := pool.Config()
		role.ConnConfig.RuntimeParams["role"] = schema
		poor, err := pgxpool.NewWithConfig(t.Context(), role)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(poor.Close)
		for _, config := range []postgres.Config{{}, {Schema: schema + "_new"}} {
			if err := postgres.Migrate(t.Context(), poor, config); err == nil || !strings.Contains(err.Error(), "GRANT CREATE") {
				t.Errorf("got error %v, want the cure", err)
			}
		}
	})
	t.Run("an encoding that is not UTF8 is refused with the cure", func(t *testing.T) {
		pool := pgtest.Pool(t)
		name := currentSchema(t, pool) + "_latin"
		execAll(t, pool, "CREATE DATABASE "+name+" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
		t.Cleanup(func() {
			if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
				t.Error(err)
			}
		})
		refused(t, with(t, func(c *pgxpool.Config) { c.ConnConfig.Database = name }), postgres.Config{Schema: "s"}, "UTF8")
	})
	t.Run("a context that has ended is told as such", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := postgres.Open(ctx, pgtest.Pool(t), postgres.Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	})
}

func TestEventStoreIsAppendOnly(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	appendTo(t, s, "a", 2)
	for _, statement := range []string{"UPDATE event_store SET actor = 'x'", "DELETE FROM event_store WHERE version = 2", "TRUNCATE event_store"} {
		if _, err := pool.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: got error %v", statement, err)
		}
	}
	mustLog(t, s, "a", "a")
}

// TestSchemaFile compares what infra/postgres/schema.sql and Migrate make.
func TestSchemaFile(t *testing.T) {
	script, err := os.ReadFile("../../infra/postgres/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	migrated, applied := pgtest.Pool(t), pgtest.Pool(t)
	openStore(t, migrated)
	execAll(t, applied, string(script))
	if _, err := postgres.Open(t.Context(), applied, postgres.Config{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(catalog(t, migrated), catalog(t, applied)); diff != "" {
		t.Errorf("-Migrate +schema.sql:\n%s", diff)
	}
	for _, table := range []string{
		"event_store", "outbox", "snapshots", "inbox", "dead_letters",
		"consumers", "consumer_segments", "consumer_members", "parked_streams", "consumer_requests",
	} {
		if !exists(t, migrated, table) {
			t.Errorf("there is no %s", table)
		}
	}
}

// catalog describes all that is in the pool's schema.
func catalog(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT format('table %s %s', relname, reloptions) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
		UNION ALL
		SELECT format('column %s.%s %s %s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
			attcollation::regcollation, pg_get_expr(adbin, adrelid))
		FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid AND relkind IN ('r', 'i') LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE relnamespace = current_schema()::regnamespace AND attnum > 0
		UNION ALL
		SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
		FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
		UNION ALL
		SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
		UNION ALL
		SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = current_schema()::regnamespace
		UNION ALL
		SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
		UNION ALL
		SELECT format('sequence %s %s %s', sequencename, increment_by, cache_size) FROM pg_sequences WHERE schemaname = current_schema()
		UNION ALL
		SELECT format('migration %s', version) FROM eventus_migrations`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	schema := currentSchema(t, pool)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], schema, "SCHEMA")
	}
	slices.Sort(lines)
	return lines
}

func TestURLs(t *testing.T) {
	for name, mode := range map[string]string{
		"cached statements": "cache_statement", "cached descriptions": "cache_describe", "descriptions": "describe_exec",
		"no preparation": "exec", "the simple protocol": "simple_protocol",
	} {
		t.Run("the store works with "+name, func(t *testing.T) {
			config := pgtest.Pool(t).Config()
			u, err := url.Parse(config.ConnString())
			if err != nil {
				t.Fatal(err)
			}
			query := u.Query()
			query.Set("default_query_exec_mode", mode)
			u.RawQuery = query.Encode()
			pool, err := pgxpool.New(t.Context(), u.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			everyCall(t, openStore(t, pool), pool)
		})
	}
}

// everyCall calls each method once.
func everyCall(t testing.TB, s *postgres.Store, pool *pgxpool.Pool) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	batch := events(3)
	batch[1].Metadata.Fields = map[string]string{"a": `"\'`}
	batch[2].Data = nil
	version, err := s.Append(t.Context(), stream, store.NoStream, batch)
	must(err)
	if version != 3 {
		t.Errorf("version %d", version)
	}
	_, err = s.Append(t.Context(), stream, store.At(7), batch)
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("got error %v, want a conflict", err)
	}
	tx := begin(t, pool)
	_, err = s.WithTx(tx).Append(t.Context(), stream, store.At(3), batch)
	must(err)
	must(tx.Commit(t.Context()))
	log, err := s.ReadAll(t.Context(), 0, 10)
	must(err)
	if len(log) != 6 || log[1].Metadata.Fields["a"] != `"\'` {
		t.Errorf("the log is %+v", log)
	}
	page, _, err := s.Unpublished(t.Context(), 0, 10)
	must(err)
	if len(page) != 6 {
		t.Errorf("%d in the outbox", len(page))
	}
	must(s.MarkPublished(t.Context(), []int64{1, 2}, []store.Published{{Place: "p", Topic: "t", Position: 2, MessageID: "e"}}))
	places, err := s.Published(t.Context())
	must(err)
	must(s.Refuse(t.Context(), 3, "e", time.Hour))
	refused, err := s.Refused(t.Context(), 0, 10)
	must(err)
	first, err := s.Readmit(t.Context(), true)
	must(err)
	if len(places) != 1 || len(refused) != 1 || first != 3 {
		t.Errorf("%d places, %d refused, first %d", len(places), len(refused), first)
	}
	_, err = s.History(t.Context())
	must(err)
	must(s.WriteSnapshot(t.Context(), store.Snapshot{Stream: stream, Schema: 1, Version: 2, EventID: eventID(t, s, 2), ContentType: "c", Data: []byte{0, 1}}))
	snap, tail, err := s.ReadSnapshot(t.Context(), stream, 1, 10)
	must(err)
	if snap.Version != 2 || len(tail) != 4 {
		t.Errorf("snapshot %+v with %d messages", snap, len(tail))
	}
	must(s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		marks, err := s.Marks(ctx, tx, "c", []store.Stream{stream, {}})
		must(err)
		must(s.SetQueue(ctx, tx, store.Queue{Consumer: "c", Stream: stream, Version: 2, Reason: store.Waiting}, 0))
		must(s.Enqueue(ctx, tx, "c", []store.QueuedMessage{{Message: log[1]}}))
		q, ok, err := s.FindQueue(ctx, tx, "c", stream)
		must(err)
		queued, err := s.Queued(ctx, tx, "c", stream, 1)
		must(err)
		if !ok || q.Messages != 1 || len(queued) != 1 {
			t.Errorf("queue %+v with %d messages", q, len(queued))
		}
		fresh, err := s.Remember(ctx, tx, "c", []store.EventKey{{ID: "1"}})
		must(err)
		if !fresh[0] {
			t.Error("the key is not new")
		}
		must(s.AddDeadLetter(ctx, tx, store.DeadLetter{Consumer: "c", Message: log[1]}))
		must(s.SetMarks(ctx, tx, "c", marks))
		must(s.Dequeue(ctx, tx, "c", stream, 2))
		must(s.DeleteQueue(ctx, tx, "c", stream))
		return s.Reset(ctx, tx, "c")
	}))
	for name, call := range map[string]func() error{
		"DueQueues":       func() error { _, err := s.DueQueues(t.Context(), "c", []string{"product"}, 1); return err },
		"ListQueues":      func() error { _, err := s.ListQueues(t.Context(), "c", store.Stream{}, 1); return err },
		"OrphanQueues":    func() error { _, err := s.OrphanQueues(t.Context(), "c", []string{"product"}, 0, 1); return err },
		"CountQueues":     func() error { _, err := s.CountQueues(t.Context(), "c", []string{"product"}); return err },
		"Incarnation":     func() error { _, err := s.Incarnation(t.Context(), "c"); return err },
		"ForgetOlder":     func() error { _, err := s.ForgetOlder(t.Context(), "c", 0, 1); return err },
		"ListDeadLetters": func() error { _, err := s.ListDeadLetters(t.Context(), "c", 0, 1); return err },
		"TrimDeadLetters": func() error { _, err := s.TrimDeadLetters(t.Context(), "c", 1); return err },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = s.BlockedBy(t.Context())
	must(err)
	everyCallOfConsumers(t, s)
}

// everyCallOfConsumers goes through the life of a consumer.
func everyCallOfConsumers(t testing.TB, s *postgres.Store) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	c := ofSegments(2)
	c.Members = []store.Member{{Name: "a", Program: "p", Until: time.Unix(9, 1000).UTC()}, {Name: "b"}}
	c.Segments[1].LeaseUntil = time.Unix(9, 1000).UTC()
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		created, err := s.CreateConsumer(ctx, tx, c)
		if !created {
			t.Error("the consumer was not created")
		}
		return err
	})
	id, err := s.AddRequest(t.Context(), store.Request{Consumer: board, Action: store.Redrive, Stream: stream, Reason: "r", Actor: "a"})
	must(err)
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		got, _, err := s.LockConsumer(ctx, tx, board)
		must(err)
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		must(s.SaveConsumer(ctx, tx, got))
		must(s.SetParked(ctx, tx, store.Parked{Consumer: board, Stream: stream, Hash: 1<<32 - 1, Version: 1, Reason: store.Unknown}, 0))
		found, err := s.FindParked(ctx, tx, board, []store.Stream{stream, stream, {}})
		if len(found) != 1 || found[0].Hash != 1<<32-1 {
			t.Errorf("found %+v", found)
		}
		must(err)
		return s.Advance(ctx, tx, claim, store.Progress{Position: 6}, time.Hour)
	})
	due, err := s.DueParked(t.Context(), board, 1, 2, 10)
	must(err)
	counts, err := s.CountParked(t.Context(), board)
	must(err)
	if len(due) != 1 || counts[board][store.Unknown].Streams != 1 {
		t.Errorf("%d due of %+v", len(due), counts)
	}
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.RedriveParked(ctx, tx, board, stream)
		must(err)
		_, err = s.FinishRequest(ctx, tx, id, "done")
		must(err)
		return s.RenameConsumer(ctx, tx, board, "wall")
	})
	wall := store.ConsumerID{Name: "wall"}
	parked, err := s.ListParked(t.Context(), wall, store.Stream{}, 10)
	must(err)
	pending, err := s.PendingRequests(t.Context(), wall)
	must(err)
	requests, err := s.ListRequests(t.Context(), "wall", 0, 10)
	must(err)
	if len(parked) != 1 || len(pending) != 0 || len(requests) != 1 {
		t.Errorf("%d parked streams, %d pending of %d requests", len(parked), len(pending), len(requests))
	}
	for _, ids := range [][]store.ConsumerID{nil, {board, wall, wall, {Name: "none"}}} {
		all, _, err := s.ListConsumers(t.Context(), ids...)
		must(err)
		if len(all) != 2 || all[0].RenamedTo != "wall" || all[1].Segments[1].Position != 6 || len(all[1].Members) != 2 {
			t.Errorf("the consumers are %+v", all)
		}
	}
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		must(s.DeleteParked(ctx, tx, wall, stream))
		return s.DeleteConsumer(ctx, tx, wall)
	})
}
