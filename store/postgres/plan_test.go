package postgres

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// filled is a store of 20,000 events in 500 streams, with marks and letters, all
// published but the last 1,000, and of 2,000 consumers. In parts there are four of
// some 5,000 events, and an empty one.
func filled(t *testing.T, parts bool) (*Store, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.Pool(t)
	if err := Migrate(t.Context(), pool, Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), pool, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < 20_000; from += 5000 {
		if parts {
			if err := PartitionWithRoom(t.Context(), pool, 4000, 0); err != nil {
				t.Fatal(err)
			}
		}
		_, err := pool.Exec(t.Context(), `
			INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			SELECT 'product', i % 500, i / 500 + 1, i, 't', 'c', repeat('x', 300)::bytea, now(), '', '', ''
			FROM generate_series($1::int, $1 + 4999) AS i`, from)
		if err != nil {
			t.Fatal(err)
		}
	}
	if parts {
		if err := PartitionWithRoom(t.Context(), pool, 4000, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), "VACUUM event_store"); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{
		`INSERT INTO outbox SELECT position FROM event_store WHERE position > 19000`,
		`INSERT INTO snapshots SELECT category, stream_id, 1, version, event_id, 'c', 'x' FROM event_store WHERE version = 20`,
		`INSERT INTO inbox SELECT c, category, stream_id, version, event_id FROM event_store, (VALUES ('a'), ('b'), ('c')) AS c (c) WHERE version = 20`,
		`INSERT INTO inbox_queues SELECT c, 'product', i, 20, CASE WHEN i < 10 THEN 'waiting' ELSE 'poison' END, '', 1, now() + i * interval '1 second', now()
			FROM generate_series(0, 499) AS i, (VALUES ('a'), ('b'), ('c')) AS c (c)`,
		`INSERT INTO inbox_messages SELECT 'a', position, category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata, '', '' FROM event_store WHERE version > 20`,
		`INSERT INTO dead_letters (consumer, position, category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id,
			actor, source, broker_id, sequence, header, size, error, reason, at)
			SELECT 'a', 1, '', '', 1, '', '', '', '', now(), '', '', '', '', '', 1, '{}', 1, '', '', now() FROM generate_series(1, 2000)`,
		`INSERT INTO consumers SELECT c, 0, '{product}', '', now(), false, '', 0, 0, 0 FROM generate_series(1, 2000) AS c`,
		`INSERT INTO consumer_segments SELECT c, 0, s, 5, 'e', 0, 0, '', '', 1, now() FROM generate_series(1, 2000) AS c, generate_series(0, 3) AS s`,
		`INSERT INTO consumer_members SELECT c, 0, m, '', now() FROM generate_series(1, 2000) AS c, generate_series(1, 3) AS m`,
		`INSERT INTO parked_streams SELECT i % 10, 0, 'product', i, i, 1, i, 'e', CASE WHEN i % 3 = 0 THEN 'waiting' ELSE 'poison' END, 'error', 1,
			now() + i * interval '1 second', now() FROM generate_series(1, 20000) AS i`,
		`INSERT INTO consumer_requests (consumer, generation, action, category, stream_id, segments, new_name, reason, actor, asked_at, done_at, outcome)
			SELECT i % 10, 0, 'pause', '', '', 0, '', '', '', now(), now(), '' FROM generate_series(1, 20000) AS i`,
		`ANALYZE`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return s, pool
}

// TestPlans pins that each hot query runs by indexes: no table is scanned, and
// nothing that grows is sorted. What is sorted in some of them are the statement's
// own arguments, a consumer's segments, or the rows that it changes.
func TestPlans(t *testing.T) {
	t.Run("one table", func(t *testing.T) { testPlans(t, false) })
	t.Run("parts", func(t *testing.T) { testPlans(t, true) })
}

func testPlans(t *testing.T, parts bool) {
	s, pool := filled(t, parts)
	streams := []any{[]string{"product", "product", "order"}, []string{"1", "2", "1"}}
	for _, p := range []struct {
		name, query string
		args        []any
		sorts       bool
	}{
		{"version", s.statements.version, []any{"product", "7"}, false},
		{"read", s.statements.read, []any{"product", "7", 3, 500}, false},
		{"read all", s.statements.readAll, []any{100, 500}, false},
		{"read all from the end", s.statements.readAll, []any{19990, 500}, false},
		{"read a stretch", s.statements.readStretch, []any{100, []string{"product"}, 4096, 500}, false},
		{"unpublished", s.statements.unpublished, []any{100, 500}, true},
		{"mark published", s.statements.dequeue, []any{[]string{"p"}, []string{"t"}, []int64{6}, []string{"e"}, []string{"1"}, []int64{0}, []string{"NULL"}, []int64{2, 4, 6}}, false},
		{"mark consecutive ones published", s.statements.dequeueRange, []any{[]string{"p"}, []string{"t"}, []int64{6}, []string{"e"}, []string{"1"}, []int64{0}, []string{"NULL"}, 2, 6}, false},
		{"refuse", s.statements.refuse, []any{7, "too large", 1}, false},
		{"readmit", s.statements.readmit, []any{false}, false},
		{"read snapshot", s.statements.readSnapshot, []any{"product", "7", 1, 500}, false},
		{"write snapshot", s.statements.writeSnapshot, []any{"product", "7", 1, 30, "e", "c", []byte("x"), "2026-01-01"}, false},
		{"lock marks", s.statements.lockMarks, append([]any{"a"}, streams...), true},
		{"marks", s.statements.marks, append([]any{"a"}, streams...), true},
		{"set marks", s.statements.setMarks, append(append([]any{"a"}, streams...), []int64{1, 2, 3}, []string{"1", "2", "3"}), false},
		{"set queue", s.statements.setQueue, []any{"a", "product", "7", 9, "waiting", "e", 1, 1000}, false},
		{"find queue", s.statements.findQueue, []any{"a", "product", "7"}, false},
		{"enqueue", s.statements.enqueueMessage, []any{"a", 1, "product", "7", 9, "e", "t", "c", []byte("x"), "2026-01-01", "", "", "", "", "", ""}, false},
		{"queued", s.statements.queued, []any{"a", "product", "7", 500}, false},
		{"dequeue", s.statements.deleteMessages, []any{"a", "product", "7", 33}, false},
		{"due queues", s.statements.dueQueues, []any{"a", []string{"product", "product:arrivals"}, 100}, true},
		{"list queues", s.statements.listQueues, []any{"a", "product", "7", 50}, false},
		{"list letters", s.statements.listLetters, []any{"a", 100, 50}, false},
		{"lock consumer", s.statements.lockConsumer, []any{"1", 0}, false},
		{"lock segments", s.statements.lockSegments, []any{"1", 0}, true},
		{"some consumers", s.statements.someConsumers, []any{[]string{"1", "2"}, []int64{0, 0}}, true},
		{"some segments", s.statements.someSegments, []any{[]string{"1", "2"}, []int64{0, 0}}, true},
		{"some members", s.statements.someMembers, []any{[]string{"1", "2"}, []int64{0, 0}}, true},
		{"save consumer", s.statements.saveConsumer, []any{"1", 0, []string{"product"}, "", "2026-01-01", false, "", 0, 0, 0,
			[]int64{6}, []string{"e"}, []int64{0}, []int64{0}, []string{"x"}, []string{"x"}, []int64{1}, []string{"2026-01-01"},
			[]string{"m"}, []string{"p"}, []string{"2026-01-01"}}, false},
		{"advance", s.statements.advance, []any{"1", 0, 1, 1, 5, 6, "e", 0, 0, "", 1000}, false},
		{"set parked", s.statements.setParked, []any{"1", 0, "product", "7", 7, 1, 1, "e", "waiting", "error", 1, 1000}, false},
		{"delete parked", s.statements.deleteParked, []any{"1", 0, "product", "7"}, false},
		{"find parked", s.statements.findParked, append([]any{"1", 0}, streams...), true},
		{"due parked", s.statements.dueParked, []any{"1", 0, 1, 2, 100}, false},
		{"list parked", s.statements.listParked, []any{"1", 0, "product", "7", 100}, false},
		{"count parked", s.statements.countParked, []any{[]string{"1"}, []int64{0}}, false},
		{"redrive parked", s.statements.redriveParked, []any{"1", 0, "product", "7"}, false},
		{"redrive all parked", s.statements.redriveAllParked, []any{"1", 0}, true},
		{"lock what is retried", s.statements.lockRetriedParked, []any{"1", 0, 1, 2, 1000}, true},
		{"retry parked", s.statements.retryParked, []any{"1", 0, 1, 2, 1000}, false},
		{"pending requests", s.statements.pendingRequests, []any{"1", 0}, false},
		{"finish request", s.statements.finishRequest, []any{7, "done"}, false},
		{"list requests", s.statements.listRequests, []any{100, 10}, false},
		{"list requests of a consumer", s.statements.listRequestsOf, []any{100, 10, "1"}, false},
	} {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			t.Run(fmt.Sprintf("%s runs by an index and without a sort, %s", p.name, mode), func(t *testing.T) {
				checkPlan(t, explain(t, pool, mode, p.query, p.args), p.sorts)
			})
		}
	}
}

// TestPlansWithoutStatistics has a server that has not analyzed the tables yet, as
// it is in the first minute after an import or a restore.
func TestPlansWithoutStatistics(t *testing.T) {
	pool := pgtest.Pool(t)
	if err := Migrate(t.Context(), pool, Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), pool, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`ALTER TABLE event_store SET (autovacuum_enabled = off)`, `ALTER TABLE snapshots SET (autovacuum_enabled = off)`,
		`ALTER TABLE outbox SET (autovacuum_enabled = off)`,
		`INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			SELECT 'product', 'long', i, i, 't', 'c', repeat('x', 300)::bytea, now(), '', '', '' FROM generate_series(1, 20000) AS i`,
		`INSERT INTO snapshots (category, stream_id, schema, version, event_id, content_type, state) VALUES ('product', 'long', 1, 19990, '19990', 'c', 'x')`,
		`INSERT INTO outbox SELECT position FROM event_store`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []struct {
		name, query string
		args        []any
		rows        int // of event_store and outbox, that may be looked at
	}{
		{"read", s.statements.read, []any{"product", "long", 19990, 500}, 10},
		{"read snapshot", s.statements.readSnapshot, []any{"product", "long", 1, 500}, 11},
		{"unpublished", s.statements.unpublished, []any{0, 100}, 20_000 + 200}, // a small outbox may be sorted, its events not looked up
	} {
		if plan, rows := looked(t, pool, p.query, p.args); rows > p.rows {
			t.Errorf("%s looks at %d rows, want %d at most:\n%s", p.name, rows, p.rows, plan)
		}
	}
}

var scanned = regexp.MustCompile(`Scan (?:using \w+ )?on (?:event_store|outbox).*actual rows=(\d+) loops=(\d+)`)

// looked executes a statement and returns how many rows of the log and the outbox
// its plan has looked at.
func looked(t *testing.T, pool *pgxpool.Pool, query string, args []any) (plan string, rows int) {
	t.Helper()
	lines, err := pool.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(lines, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all {
		if m := scanned.FindStringSubmatch(line); m != nil {
			var n, loops int
			fmt.Sscan(m[1], &n)
			fmt.Sscan(m[2], &loops)
			rows += n * loops
		}
	}
	return strings.Join(all, "\n"), rows
}

var sort = regexp.MustCompile(`(?m)^\W*(Incremental )?Sort$`)

func checkPlan(t *testing.T, plan string, sorts bool) {
	t.Helper()
	if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Merge Join") || !sorts && sort.MatchString(plan) {
		t.Errorf("the plan is\n%s", plan)
	}
}

// explain returns a statement's plan, as a prepared one has it.
func explain(t *testing.T, pool *pgxpool.Pool, mode, query string, args []any) string {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	literals := make([]string, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case []string:
			literals[i] = "'{" + strings.Join(arg, ",") + "}'"
		case []int64:
			literals[i] = "'{" + strings.Trim(strings.ReplaceAll(fmt.Sprint(arg), " ", ","), "[]") + "}'"
		case []byte:
			literals[i] = "'" + string(arg) + "'"
		default:
			literals[i] = fmt.Sprintf("'%v'", arg)
		}
	}
	for _, statement := range []string{"SET LOCAL plan_cache_mode = " + mode, "PREPARE hot AS " + query} {
		if _, err := tx.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	defer tx.Exec(t.Context(), "DEALLOCATE hot")
	rows, err := tx.Query(t.Context(), "EXPLAIN (COSTS OFF) EXECUTE hot("+strings.Join(literals, ", ")+")", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestPlansOfAppend has auto_explain send the plans of the statements inside the
// functions that append, as notices.
func TestPlansOfAppend(t *testing.T) {
	const index = "Index Scan Backward using event_store_stream_version"
	t.Run("one table", func(t *testing.T) { testPlansOfAppend(t, false, index) })
	t.Run("parts", func(t *testing.T) {
		var each []string
		for part := range 5 {
			each = append(each, strings.Replace(index, "event_store", fmt.Sprintf("event_store_part_%d", part+1), 1))
		}
		testPlansOfAppend(t, true, each...)
	})
}

// testPlansOfAppend checks that each of some index scans is there once.
func testPlansOfAppend(t *testing.T, parts bool, scans ...string) {
	t.Helper()
	s, pool := filled(t, parts)
	var plans strings.Builder
	config := pool.Config()
	config.MaxConns = 1
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { plans.WriteString(n.Message + "\n") }
	loud, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer loud.Close()
	if _, err := loud.Exec(t.Context(), "LOAD 'auto_explain'"); err != nil {
		t.Skipf("the server has no auto_explain for this role: %v", err)
	}
	for _, set := range []string{"auto_explain.log_min_duration = 0", "auto_explain.log_nested_statements = on", "auto_explain.log_level = notice"} {
		if _, err := loud.Exec(t.Context(), "SET "+set); err != nil {
			t.Fatal(err)
		}
	}
	one, three, two := newGroup("6", 1), newGroup("7", 3), newGroup("8", 2)
	for _, batch := range [][]*combine.Group{{one}, {three}, {three, two}} {
		for range 7 { // until the plans are generic ones
			plans.Reset()
			if err := s.appendTo(t.Context(), loud, false, batch); err != nil {
				t.Fatal(err)
			}
		}
		for _, scan := range scans {
			if got := plans.String(); strings.Count(got, scan) != 1 || strings.Contains(got, "Seq Scan") {
				t.Errorf("want %s once in the plans\n%s", scan, got)
			}
		}
	}
}

func newGroup(id string, n int) *combine.Group {
	g := &combine.Group{Stream: store.Stream{Category: "product", ID: id}, Expected: store.Any}
	for i := range n {
		g.Events = append(g.Events, store.Event{ID: fmt.Sprint(i), Type: "t", ContentType: "c", Time: time.Unix(1, 0)})
	}
	return g
}
