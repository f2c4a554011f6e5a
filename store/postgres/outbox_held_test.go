package postgres_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A look at the outbox goes on where the one before ended. So it does not walk over
// the rows that were published since a snapshot that somebody holds, which the
// server must keep.
func TestALookAtTheOutboxReadsNoDeadRows(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	tx := begin(t, pool)
	execTx(t, tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
	execTx(t, tx, "SELECT 1")
	const rounds, n = 20, 1000
	var after int64
	for range rounds {
		if _, err := s.Append(t.Context(), stream, store.Any, events(n)); err != nil {
			t.Fatal(err)
		}
		page, next, err := s.Unpublished(t.Context(), after, n)
		if err != nil || len(page) != n {
			t.Fatal(len(page), err)
		}
		positions := make([]int64, n)
		for i := range page {
			positions[i] = page[i].Position
		}
		if err := s.MarkPublished(t.Context(), positions, nil); err != nil {
			t.Fatal(err)
		}
		after = next
	}
	// The statement's own look at the rows behind a position.
	query := "SELECT position FROM " + pgx.Identifier{currentSchema(t, pool)}.Sanitize() + ".outbox WHERE position > %d ORDER BY position LIMIT 500"
	front, behind := buffers(t, pool, fmt.Sprintf(query, 0)), buffers(t, pool, fmt.Sprintf(query, after))
	if behind > 10 || front < 5*behind {
		t.Errorf("a look reads %d buffers behind position %d, and %d from the front", behind, after, front)
	}
	// Nothing is there for a relay that begins now, and it goes on behind all.
	page, next, err := s.Unpublished(t.Context(), 0, 500)
	if err != nil || len(page) != 0 || next != after {
		t.Errorf("%d messages, next %d, %v, want next to be %d", len(page), next, err, after)
	}
}

var hit = regexp.MustCompile(`Buffers: shared hit=(\d+)`)

// buffers is how many a query reads, all from memory.
func buffers(t *testing.T, pool *pgxpool.Pool, query string) int {
	t.Helper()
	for range 2 { // the first one may read from the disk
		if _, err := pool.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := pool.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "+query)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if m := hit.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			return n
		}
	}
	t.Fatalf("no buffers in %q", lines)
	return 0
}
