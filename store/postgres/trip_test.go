package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// trips counts how often a connection turns from writing to reading: round
// trips as the network sees them, whatever the driver calls them.
type trips struct {
	n       atomic.Int64
	bytes   atomic.Int64 // that were read
	writing atomic.Bool
}

func (c *trips) pool(t testing.TB, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	config := pool.Config()
	config.MaxConns = 1
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return countedConn{conn, c}, err
	}
	counted, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(counted.Close)
	return counted
}

type countedConn struct {
	net.Conn
	trips *trips
}

func (c countedConn) Write(p []byte) (int, error) {
	c.trips.writing.Store(true)
	return c.Conn.Write(p)
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.trips.bytes.Add(int64(n))
	if n > 0 && c.trips.writing.Swap(false) {
		c.trips.n.Add(1)
	}
	return n, err
}

func TestRoundTrips(t *testing.T) {
	var count trips
	pool := count.pool(t, pgtest.Pool(t))
	s := openStore(t, pool)
	appendTo(t, s, "p-1", 9)
	if err := s.WriteSnapshot(t.Context(), store.Snapshot{Stream: stream, Schema: 1, Version: 5, EventID: eventID(t, s, 5), ContentType: "c"}); err != nil {
		t.Fatal(err)
	}
	moving := claim
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.CreateConsumer(ctx, tx, ofSegments(2))
		return err
	})
	for _, c := range []struct {
		what string
		want int64
		call func(ctx context.Context) error
	}{
		{"an append of 1 event", 1, func(ctx context.Context) error {
			_, err := s.Append(ctx, streamOf("1"), store.Any, events(1))
			return err
		}},
		{"an append of 100 events", 1, func(ctx context.Context) error {
			_, err := s.Append(ctx, streamOf("1"), store.Any, events(100))
			return err
		}},
		{"a conflict", 1, func(ctx context.Context) error {
			_, err := s.Append(ctx, streamOf("1"), store.At(1<<40), events(1))
			mustConflict(t, err, store.At(1<<40), err.(*store.ConflictError).Actual)
			return nil
		}},
		{"a read of a stream", 1, func(ctx context.Context) error {
			_, err := s.Read(ctx, stream, 0, 100)
			return err
		}},
		{"a read of a snapshot with its tail", 1, func(ctx context.Context) error {
			snap, tail, err := s.ReadSnapshot(ctx, stream, 1, 100)
			if snap.Version != 5 || len(tail) != 4 {
				t.Errorf("version %d and %d messages", snap.Version, len(tail))
			}
			return err
		}},
		{"a page of the log without holes", 1, func(ctx context.Context) error {
			_, err := s.ReadAll(ctx, 0, 100)
			return err
		}},
		{"a page of the outbox", 1, func(ctx context.Context) error {
			_, _, err := s.Unpublished(ctx, 0, 5)
			return err
		}},
		{"marking it", 1, func(ctx context.Context) error {
			return s.MarkPublished(ctx, []int64{1, 2}, []store.Published{{Place: "p"}})
		}},
		{"a transaction with marks read and set", 4, func(ctx context.Context) error {
			return s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
				marks, err := s.Marks(ctx, tx, "c", []store.Stream{stream, {}})
				if err != nil {
					return err
				}
				return s.SetMarks(ctx, tx, "c", marks)
			})
		}},
		{"a transaction with an append", 3, func(ctx context.Context) error {
			return s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
				_, err := s.WithTx(tx).Append(ctx, stream, store.Any, events(100))
				return err
			})
		}},
		{"a batch of a consumer, with a deadline", 4, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
				if _, err := s.FindParked(ctx, tx, board, []store.Stream{stream}); err != nil {
					return err
				}
				next := store.Progress{Position: moving.Position + 1}
				err := s.Advance(ctx, tx, moving, next, time.Minute)
				moving.Position = next.Position
				return err
			})
		}},
		{"a heartbeat of a member", 4, func(ctx context.Context) error {
			return s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
				c, now, err := s.LockConsumer(ctx, tx, board)
				if err != nil {
					return err
				}
				c.Members = []store.Member{{Name: "m", Until: now}}
				return s.SaveConsumer(ctx, tx, c)
			})
		}},
		{"the state of all consumers", 1, func(ctx context.Context) error {
			_, _, err := s.ListConsumers(ctx)
			return err
		}},
		{"the state of some consumers", 1, func(ctx context.Context) error {
			_, _, err := s.ListConsumers(ctx, board)
			return err
		}},
		{"a consumer renamed and deleted", 4, func(ctx context.Context) error {
			return s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
				other := store.ConsumerID{Name: "other"}
				if err := s.RenameConsumer(ctx, tx, board, other.Name); err != nil {
					return err
				}
				if err := s.DeleteConsumer(ctx, tx, other); err != nil {
					return err
				}
				return errUndone
			})
		}},
	} {
		var took int64
		for range 3 { // the first ones prepare the statements
			before := count.n.Load()
			if err := c.call(t.Context()); err != nil && !errors.Is(err, errUndone) {
				t.Fatalf("%s: %v", c.what, err)
			}
			took = count.n.Load() - before
		}
		if took != c.want {
			t.Errorf("%s took %d round trips, want %d", c.what, took, c.want)
		}
	}
}

var errUndone = errors.New("undone")

// What a repository costs: a save is one round trip, an update of an aggregate
// that exists is two, from a snapshot too. Storing a snapshot is a third, once
// in as many events as WithSnapshotEvery says.
func TestRoundTripsOfARepository(t *testing.T) {
	var count trips
	pool := count.pool(t, pgtest.Pool(t))
	s := openStore(t, pool)
	plain := eventus.NewRepository(s, books)
	snapshots := eventus.NewRepository(s, books, eventus.WithSnapshotEvery(100))
	write := func(n int) func(*book) error {
		return func(b *book) error {
			for range n {
				b.Record(written{page{text}})
			}
			return nil
		}
	}
	save := func(n int) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			b := plain.New(fmt.Sprint(n, count.n.Load()))
			if err := write(n)(b); err != nil {
				return err
			}
			return plain.Save(ctx, b)
		}
	}
	if _, err := snapshots.Update(t.Context(), "b", write(150)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		want int64
		call func(ctx context.Context) error
	}{
		{"a save of 1 event", 1, save(1)},
		{"a save of 100 events", 1, save(100)},
		{"an update", 2, func(ctx context.Context) error { _, err := plain.Update(ctx, "b", write(1)); return err }},
		{"an update from a snapshot", 2, func(ctx context.Context) error { _, err := snapshots.Update(ctx, "b", write(1)); return err }},
		{"an update of 100 events, which stores a snapshot", 3, func(ctx context.Context) error { _, err := snapshots.Update(ctx, "b", write(100)); return err }},
	} {
		var took int64
		for range 3 { // the first ones prepare the statements
			before := count.n.Load()
			if err := c.call(t.Context()); err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
			took = count.n.Load() - before
		}
		if took != c.want {
			t.Errorf("%s took %d round trips, want %d", c.what, took, c.want)
		}
	}
}

// A reader of one of ten categories gets a tenth of the bytes, and as many if a
// position is missing that nobody will commit any more.
func TestBytesOfAStretch(t *testing.T) {
	var count trips
	pool := pgtest.Pool(t)
	filled := openStore(t, pool)
	data := []byte(strings.Repeat("x", 300))
	for i := range 40 {
		batch := events(50)
		for j := range batch {
			batch[j].Data = data
		}
		if _, err := filled.Append(t.Context(), store.Stream{Category: fmt.Sprint("c", i%10), ID: "a"}, store.Any, batch); err != nil {
			t.Fatal(err)
		}
		if i == 20 {
			tx := begin(t, pool)
			appendTo(t, filled.WithTx(tx), "gone", 3)
			rollback(t, tx)
		}
	}
	s := openStore(t, count.pool(t, pool))
	bytes := func(categories ...string) int64 {
		before := count.bytes.Load()
		n := 0
		for r := (store.Range{Limit: 200, Categories: categories}); ; {
			stretch, err := s.ReadStretch(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			n += len(stretch.Messages)
			if r.After = max(r.After, stretch.Last.Position); stretch.End {
				break
			}
		}
		if want := 2000 / max(1, 10*len(categories)); n != want {
			t.Fatalf("%d messages of %v, want %d", n, categories, want)
		}
		return count.bytes.Load() - before
	}
	bytes() // settles the hole
	all := bytes()
	if one := bytes("c7"); one > all*12/100 {
		t.Errorf("a reader of one of ten categories got %d bytes, and one of all %d", one, all)
	}
}
