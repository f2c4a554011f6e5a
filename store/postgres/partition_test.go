package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/storetest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestContractOnParts runs the contract on a store whose log comes to its second
// part after some events.
func TestContractOnParts(t *testing.T) {
	if testing.Short() {
		t.Skip("the contract runs on one table alone with -short")
	}
	t.Parallel()
	storetest.Run(t, opener(t, func(t testing.TB) *pgxpool.Pool {
		pool := pgtest.Pool(t)
		openStore(t, pool)
		partition(t, pool, 5)
		return pool
	}))
}

func partition(t testing.TB, pool *pgxpool.Pool, every int64) {
	t.Helper()
	if err := postgres.PartitionWithRoom(t.Context(), pool, every, 0); err != nil {
		t.Fatal(err)
	}
}

func parts(t testing.TB, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_store'::regclass`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPartition(t *testing.T) {
	t.Run("the table as it was is the first part, and the log goes on in others", func(t *testing.T) {
		pool := pgtest.Pool(t)
		s := openStore(t, pool)
		var want []string
		add := func(n int) {
			for range n {
				id := fmt.Sprint(len(want) % 3)
				appendTo(t, s, id, 1)
				want = append(want, id)
			}
		}
		add(10)
		for range 3 {
			partition(t, pool, 5)
			partition(t, pool, 5) // the second call has nothing to do
			add(7)
		}
		mustLog(t, s, want...)
		if n := parts(t, pool); n != 4 {
			t.Errorf("%d parts, want 4", n)
		}
		page, err := s.Read(t.Context(), streamOf("0"), 0, 100)
		if err != nil || len(page) != 11 {
			t.Errorf("%d events, error %v", len(page), err)
		}
		for i, m := range page {
			if m.Version != int64(i)+1 {
				t.Errorf("version %d stands where %d belongs", m.Version, i+1)
			}
		}
	})
	t.Run("a row that is inserted by hand must follow the last of its stream, whichever part it is put into", func(t *testing.T) {
		pool := pgtest.Pool(t)
		s := openStore(t, pool)
		appendTo(t, s, "a", 4)
		partition(t, pool, 2)
		appendTo(t, s, "a", 4)
		const insert = `INSERT INTO %s (position, category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			OVERRIDING SYSTEM VALUE SELECT %d, 'product', 'a', %d, 'x', 't', 'c', 'x', now(), '', '', ''`
		for _, table := range []string{"event_store", "event_store_part_1", "event_store_part_2"} {
			for _, version := range []int{1, 2, 8, 10} {
				position := 100
				if table == "event_store_part_1" {
					position = -1
				}
				if _, err := pool.Exec(t.Context(), fmt.Sprintf(insert, table, position, version)); err == nil {
					t.Errorf("version %d was inserted into %s", version, table)
				}
			}
			for _, statement := range []string{"UPDATE %s SET actor = 'x'", "DELETE FROM %s", "TRUNCATE %s"} {
				if _, err := pool.Exec(t.Context(), fmt.Sprintf(statement, table)); err == nil {
					t.Errorf("%s: "+statement, table, table)
				}
			}
		}
		if _, err := s.Append(t.Context(), streamOf("a"), store.At(8), events(1)); err != nil {
			t.Error(err)
		}
	})
	t.Run("a transaction with an old snapshot gives no version twice, although the first one is in another part", func(t *testing.T) {
		for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
			pool := pgtest.Pool(t)
			s := openStore(t, pool)
			partition(t, pool, 3)
			appendTo(t, s, "a", 2)
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			execTx(t, tx, "SELECT count(*) FROM event_store")
			appendTo(t, s, "a", 1) // the last position of the first part
			_, err = s.WithTx(tx).Append(t.Context(), streamOf("a"), store.Any, events(1))
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: got error %v, want a conflict", level, err)
			}
			rollback(t, tx)
			mustLog(t, s, "a", "a", "a")
		}
	})
}

func TestMovePart(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	var want []string
	add := func() {
		for range 9 {
			appendTo(t, s, "a", 1)
			want = append(want, "a")
		}
	}
	move := func(number int64) error {
		return postgres.MovePart(t.Context(), pool, postgres.Config{}, number, "pg_default")
	}
	add()
	if err := move(1); err == nil || !strings.Contains(err.Error(), "call postgres.Partition") {
		t.Errorf("an undivided store: got error %v", err)
	}
	partition(t, pool, 5)
	if err := move(1); err == nil || !strings.Contains(err.Error(), "wait for position 15") {
		t.Errorf("a part that the log is in: got error %v", err)
	}
	add()
	partition(t, pool, 5)
	before := catalog(t, pool)
	for _, number := range []int64{1, 1} {
		if err := move(number); err != nil {
			t.Error(err)
		}
	}
	if err := move(3); err == nil {
		t.Error("the newest part was moved")
	}
	if diff := cmp.Diff(before, catalog(t, pool)); diff != "" {
		t.Errorf("-before +after the move:\n%s", diff)
	}
	add()
	partition(t, pool, 5)
	if err := move(2); err != nil {
		t.Error(err)
	}
	mustLog(t, s, want...)
}

// TestPartitionWhileProgramsWork cuts the log, and moves its parts, while 8 writers
// append and a reader follows.
func TestPartitionWhileProgramsWork(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	const writers, wanted = 8, 12
	var working sync.WaitGroup
	end := make(chan struct{})
	acknowledged := make([]int64, writers) // versions of a stream for each
	for w := range acknowledged {
		working.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				version, err := s.Append(t.Context(), streamOf(fmt.Sprint(w)), store.Any, events(1+int(acknowledged[w]%3)))
				if err == nil {
					acknowledged[w] = version
				} else if !s.IsTransient(err) {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	var log []store.Message
	read := func() {
		page, err := s.ReadAll(t.Context(), lastPosition(log), 100)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		log = append(log, page...)
	}
	working.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				read()
			}
		}
	})
	moved := 0
	for n := 0; n < wanted && !t.Failed(); {
		err := postgres.PartitionWithRoom(t.Context(), pool, 40, 100_000)
		if err != nil && !s.IsTransient(err) {
			t.Error(err)
		}
		if err == nil && n == 0 { // to the end of the first part
			execAll(t, pool, "SELECT setval(pg_get_serial_sequence('event_store', 'position'), 100000)")
		}
		if err == nil {
			n = parts(t, pool)
		}
		if n > moved+2 {
			err := postgres.MovePart(t.Context(), pool, postgres.Config{}, int64(moved+1), "pg_default")
			if err == nil {
				moved++
			} else if !s.IsTransient(err) && !strings.Contains(err.Error(), "wait for position") {
				t.Error(err)
			}
		}
	}
	close(end)
	working.Wait()
	for before := -1; before < len(log); {
		before = len(log)
		read()
	}
	versions := make(map[string]int64)
	for _, m := range log {
		versions[m.Stream.ID]++
		if m.Version != versions[m.Stream.ID] {
			t.Fatalf("%s: version %d stands where %d belongs", m.Stream, m.Version, versions[m.Stream.ID])
		}
	}
	for w, version := range acknowledged {
		if got := versions[fmt.Sprint(w)]; got < version {
			t.Errorf("stream %d: the reader has %d events, %d were acknowledged", w, got, version)
		}
	}
}

func lastPosition(log []store.Message) int64 {
	if len(log) == 0 {
		return 0
	}
	return log[len(log)-1].Position
}
