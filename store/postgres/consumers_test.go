package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
)

var (
	board = store.ConsumerID{Name: "board"}
	// claim is of the second segment of board as it is created.
	claim = store.Claim{Consumer: board, Segment: 1, Epoch: 1, Position: 5}
)

// ofSegments is board with segments that stand at position 5 in their first epoch.
func ofSegments(n int) store.Consumer {
	c := store.Consumer{ConsumerID: board, Categories: []string{"order", "product"}, Start: "beginning"}
	for range n {
		c.Segments = append(c.Segments, store.Segment{Progress: store.Progress{Position: 5, EventID: "e-5"}, Epoch: 1})
	}
	return c
}

// use is a call in a transaction, and what it found.
type use func(ctx context.Context, s *postgres.Store, tx pgx.Tx) (found any, err error)

func advance(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	return nil, s.Advance(ctx, tx, claim, store.Progress{Position: 6, EventID: "e-6"}, time.Hour)
}

func lock(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	c, _, err := s.LockConsumer(ctx, tx, board)
	var positions []int64
	for _, segment := range c.Segments {
		positions = append(positions, segment.Position)
	}
	return positions, err
}

// lockEmpty locks a consumer that has no segments.
func lockEmpty(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	c, _, err := s.LockConsumer(ctx, tx, store.ConsumerID{Name: "empty"})
	return len(c.Segments) == 0, err
}

// save locks board and saves it changed.
func save(change func(c *store.Consumer)) use {
	return func(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
		c, now, err := s.LockConsumer(ctx, tx, board)
		if err != nil {
			return nil, err
		}
		c.Members = []store.Member{{Name: "m", Until: now}}
		change(&c)
		return nil, s.SaveConsumer(ctx, tx, c)
	}
}

func create(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	c := ofSegments(1)
	c.Name = "new"
	return s.CreateConsumer(ctx, tx, c)
}

func remove(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	return nil, s.DeleteConsumer(ctx, tx, board)
}

func rename(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	return nil, s.RenameConsumer(ctx, tx, board, "wall")
}

func finish(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	return s.FinishRequest(ctx, tx, 1, "done")
}

func findParked(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	rows, err := s.FindParked(ctx, tx, board, []store.Stream{stream, streamOf("p-2")})
	versions := make(map[string]int64)
	for _, p := range rows {
		versions[p.Stream.ID] = p.Version
	}
	return versions, err
}

func park(version int64) use {
	return func(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
		return nil, s.SetParked(ctx, tx, store.Parked{Consumer: board, Stream: stream, Version: version, Reason: store.Waiting}, 0)
	}
}

func unpark(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	return nil, s.DeleteParked(ctx, tx, board, stream)
}

func redrive(ctx context.Context, s *postgres.Store, tx pgx.Tx) (any, error) {
	return s.RedriveParked(ctx, tx, board, store.Stream{})
}

// TestConsumersThatWait has one transaction hold what another one asks for, and
// looks at what the second finds once the first has committed or rolled back.
func TestConsumersThatWait(t *testing.T) {
	nothing := func(*store.Consumer) {}
	for _, c := range []struct {
		what       string
		hold, wait use
		committed  any // what wait finds, or its error
		rolledBack any
	}{
		{"an advance for a look at the consumer", lock, advance, nil, nil},
		{"an advance for a save of what is there", save(nothing), advance, nil, nil},
		{"an advance for a renewal of the lease", save(func(c *store.Consumer) { c.Segments[1].LeaseUntil = time.Unix(9, 0) }), advance, nil, nil},
		{"an advance for a claim", save(func(c *store.Consumer) { c.Segments[1].Epoch++ }), advance, store.ErrClaimLost, nil},
		{"an advance for a move", save(func(c *store.Consumer) { c.Segments[1].Position = 0 }), advance, store.ErrClaimLost, nil},
		{"an advance for fewer segments", save(func(c *store.Consumer) { c.Segments = c.Segments[:1] }), advance, store.ErrClaimLost, nil},
		{"an advance for more segments", save(func(c *store.Consumer) { c.Segments = append(c.Segments, c.Segments...) }), advance, nil, nil},
		{"an advance for an advance", advance, advance, store.ErrClaimLost, nil},
		{"an advance for the end of the consumer", remove, advance, store.ErrClaimLost, nil},
		{"an advance for another name", rename, advance, store.ErrClaimLost, nil},
		{"a lock for an advance", advance, lock, []int64{5, 6}, []int64{5, 5}},
		{"a lock for more segments", save(func(c *store.Consumer) { c.Segments = append(c.Segments, c.Segments[0]) }), lock, []int64{5, 5, 5}, []int64{5, 5}},
		{"a lock for the end of the consumer", remove, lock, store.ErrNoConsumer, []int64{5, 5}},
		{"a lock for another name", rename, lock, []int64(nil), []int64{5, 5}},
		{"a lock for a lock, without segments", lockEmpty, lockEmpty, true, true},
		{"the end of the consumer for an advance", advance, remove, nil, nil},
		{"another name for an advance", advance, rename, nil, nil},
		{"another name for another name", rename, rename, store.ErrConsumerExists, nil},
		{"a new consumer for the same", create, create, false, true},
		{"the end of a request for the same", finish, finish, false, true},
		{"a search for a stream that is parked at another version", park(7), findParked, map[string]int64{"p-1": 7, "p-2": 2}, map[string]int64{"p-1": 1, "p-2": 2}},
		{"a search for a stream that goes on", unpark, findParked, map[string]int64{"p-2": 2}, map[string]int64{"p-1": 1, "p-2": 2}},
		{"a redrive for a search", findParked, redrive, int64(2), int64(2)},
		{"a redrive for a stream that goes on", unpark, redrive, int64(1), int64(2)},
		{"a search for a redrive", redrive, findParked, map[string]int64{"p-1": 1, "p-2": 2}, map[string]int64{"p-1": 1, "p-2": 2}},
	} {
		for how, end := range map[string]func(t testing.TB, tx pgx.Tx){"commits": commit, "rolls back": rollback} {
			want := c.committed
			if how == "rolls back" {
				want = c.rolledBack
			}
			t.Run(c.what+", which "+how, func(t *testing.T) {
				pool := pgtest.Pool(t)
				s := openStore(t, pool)
				inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
					for i, id := range []string{"p-1", "p-2"} {
						if err := s.SetParked(ctx, tx, store.Parked{Consumer: board, Stream: streamOf(id), Version: int64(i + 1), Reason: store.Poison}, 0); err != nil {
							return err
						}
					}
					empty := ofSegments(0)
					empty.Name = "empty"
					if _, err := s.CreateConsumer(ctx, tx, empty); err != nil {
						return err
					}
					_, err := s.CreateConsumer(ctx, tx, ofSegments(2))
					return err
				})
				if _, err := s.AddRequest(t.Context(), store.Request{Consumer: board, Action: store.Pause}); err != nil {
					t.Fatal(err)
				}
				holder := begin(t, pool)
				if _, err := c.hold(t.Context(), s, holder); err != nil {
					t.Fatal(err)
				}
				found := make(chan any, 1)
				go func() {
					var got any
					err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) (err error) {
						got, err = c.wait(ctx, s, tx)
						return err
					})
					if err != nil {
						got = err
					}
					found <- got
				}()
				awaitBlocked(t, pool)
				end(t, holder)
				if diff := cmp.Diff(want, <-found, cmpopts.EquateErrors()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// TestSegmentsChangeInPlace holds that a row which moves with each batch needs no
// new entry of an index (HOT), so that it does not grow with what is handled.
func TestSegmentsChangeInPlace(t *testing.T) {
	s := openStore(t, pgtest.Pool(t))
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.CreateConsumer(ctx, tx, ofSegments(2))
		return err
	})
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		const batches = 10
		moving := claim
		for moving.Position < claim.Position+batches {
			if err := s.Advance(ctx, tx, moving, store.Progress{Position: moving.Position + 1}, time.Hour); err != nil {
				return err
			}
			moving.Position++
		}
		var updated, inPlace int
		if err := tx.QueryRow(ctx, `SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)
			FROM pg_class WHERE oid = 'consumer_segments'::regclass`).Scan(&updated, &inPlace); err != nil {
			return err
		}
		if updated != batches || inPlace != batches {
			t.Errorf("%d rows updated, %d of them in place, want %d", updated, inPlace, batches)
		}
		return nil
	})
}

// TestSavesWriteWhatHasChanged holds that a member's heartbeat does not write all
// segments again.
func TestSavesWriteWhatHasChanged(t *testing.T) {
	s := openStore(t, pgtest.Pool(t))
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.CreateConsumer(ctx, tx, ofSegments(8))
		return err
	})
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := save(func(c *store.Consumer) { c.Segments[3].LeaseUntil = time.Unix(9, 0) })(ctx, s, tx); err != nil {
			return err
		}
		var updated int
		if err := tx.QueryRow(ctx, "SELECT pg_stat_get_xact_tuples_updated('consumer_segments'::regclass)").Scan(&updated); err != nil {
			return err
		}
		if updated != 1 {
			t.Errorf("%d segments written, want 1", updated)
		}
		return nil
	})
}

// Texts come from errors of handlers, and the names of programs from users.
func TestTextsThatPostgreSQLCannotCarry(t *testing.T) {
	s := openStore(t, pgtest.Pool(t))
	const broken, stored = "a\x00b\xff", "a\ufffdb\ufffd"
	c := ofSegments(1)
	c.Segments[0].Forked = broken
	c.Members = []store.Member{{Name: "m", Program: broken}}
	id, err := s.AddRequest(t.Context(), store.Request{Consumer: board, Action: store.Pause})
	if err != nil {
		t.Fatal(err)
	}
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := s.CreateConsumer(ctx, tx, c); err != nil {
			return err
		}
		if err := s.SetParked(ctx, tx, store.Parked{Consumer: board, Stream: stream, Version: 1, Reason: store.Poison, Error: broken}, 0); err != nil {
			return err
		}
		_, err := s.FinishRequest(ctx, tx, id, broken)
		return err
	})
	consumers, _, err := s.ListConsumers(t.Context())
	if err != nil || consumers[0].Segments[0].Forked != stored || consumers[0].Members[0].Program != stored {
		t.Errorf("%+v, error %v", consumers, err)
	}
	if parked, err := s.ListParked(t.Context(), board, store.Stream{}, 1); err != nil || parked[0].Error != stored {
		t.Errorf("%+v, error %v", parked, err)
	}
	if requests, err := s.ListRequests(t.Context(), "", 0, 1); err != nil || requests[0].Outcome != stored {
		t.Errorf("%+v, error %v", requests, err)
	}
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		return s.Advance(ctx, tx, store.Claim{Consumer: board, Epoch: 1, Position: 5}, store.Progress{Position: 5, Forked: broken}, 0)
	})
}
