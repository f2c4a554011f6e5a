package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

var board = store.ConsumerID{Name: "board"}

func create(t *testing.T, s *sqlite.Store, id store.ConsumerID, segments int) {
	t.Helper()
	c := store.Consumer{ConsumerID: id, Categories: []string{"product"}, Segments: make([]store.Segment, segments)}
	err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := s.CreateConsumer(ctx, tx, c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestConsumersOfTwoStores has two values on one file, as two processes would.
// They meet at the file's lock, not at the turn within one value.
func TestConsumersOfTwoStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	one, _ := openStore(t, path)
	another, _ := openStore(t, path)
	stores := []*sqlite.Store{one, another}
	// both runs f in both stores at once, n times each, and adds up its results.
	both := func(n int, f func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) (int, error)) (sum int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, s := range stores {
			wg.Go(func() {
				for range n {
					result := 0
					err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) (err error) {
						result, err = f(ctx, s, tx)
						return err
					})
					mu.Lock()
					if sum += result; err != nil {
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return sum
	}

	t.Run("a consumer is created once", func(t *testing.T) {
		for i := range 20 {
			c := store.Consumer{ConsumerID: store.ConsumerID{Name: "board", Generation: i}, Segments: make([]store.Segment, 1)}
			created := both(1, func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) (int, error) {
				ok, err := s.CreateConsumer(ctx, tx, c)
				return count(ok), err
			})
			if created != 1 {
				t.Fatalf("it was created %d times", created)
			}
		}
	})
	t.Run("LockConsumer and Advance wait for each other", func(t *testing.T) {
		both(40, func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) (int, error) {
			c, _, err := s.LockConsumer(ctx, tx, board)
			if err != nil {
				return 0, err
			}
			at := c.Segments[0].Position
			if s == one {
				c.Segments[0].Position++
				return 0, s.SaveConsumer(ctx, tx, c)
			}
			return 0, s.Advance(ctx, tx, store.Claim{Consumer: board, Position: at}, store.Progress{Position: at + 1, EventID: "e"}, time.Minute)
		})
		consumers, _, err := one.ListConsumers(t.Context(), board)
		if err != nil || consumers[0].Segments[0].Position != 80 {
			t.Errorf("%+v, error %v, want position 80", consumers, err)
		}
	})
	t.Run("a request is finished once", func(t *testing.T) {
		for range 20 {
			id, err := one.AddRequest(t.Context(), store.Request{Consumer: board, Action: store.Pause})
			if err != nil {
				t.Fatal(err)
			}
			finished := both(1, func(ctx context.Context, s *sqlite.Store, tx *sql.Tx) (int, error) {
				ok, err := s.FinishRequest(ctx, tx, id, "paused")
				return count(ok), err
			})
			if finished != 1 {
				t.Fatalf("it was finished %d times", finished)
			}
		}
	})
}

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func TestConsumerEditedByHand(t *testing.T) {
	const remove = "DELETE FROM %s WHERE name = 'board' AND generation = 0"
	t.Run("a segment whose row is missing is told of with the cure, and other consumers can be read", func(t *testing.T) {
		s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		next := store.ConsumerID{Name: "board", Generation: 1}
		create(t, s, board, 3)
		create(t, s, next, 3)
		if _, err := db.Exec(fmt.Sprintf(remove, "consumer_segments") + " AND segment = 1"); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.ListConsumers(t.Context(), board)
		if err == nil || !strings.Contains(err.Error(), "segment 1 of consumer board is missing") {
			t.Errorf("got error %v, want the missing segment", err)
		}
		if consumers, _, err := s.ListConsumers(t.Context(), next); err != nil || len(consumers) != 1 {
			t.Errorf("%d consumers, error %v", len(consumers), err)
		}
	})
	t.Run("segments and members without their consumer are passed over, and give way to a new one", func(t *testing.T) {
		s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		create(t, s, board, 3)
		create(t, s, store.ConsumerID{Name: "a"}, 1)
		if _, err := db.Exec(fmt.Sprintf(remove, "consumers")); err != nil {
			t.Fatal(err)
		}
		consumers, _, err := s.ListConsumers(t.Context())
		if err != nil || len(consumers) != 1 || len(consumers[0].Segments) != 1 {
			t.Errorf("%+v, error %v, want consumer a with its one segment", consumers, err)
		}
		create(t, s, board, 1)
		if consumers, _, err := s.ListConsumers(t.Context(), board); err != nil || len(consumers[0].Segments) != 1 {
			t.Errorf("%+v, error %v, want one segment", consumers, err)
		}
	})
	t.Run("categories that are no JSON are told of", func(t *testing.T) {
		s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		create(t, s, board, 1)
		if _, err := db.Exec("UPDATE consumers SET categories = 'product'"); err != nil {
			t.Fatal(err)
		}
		err := s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			_, _, err := s.LockConsumer(ctx, tx, board)
			return err
		})
		if err == nil || errors.Is(err, store.ErrNoConsumer) || !strings.Contains(err.Error(), "categories of consumer board") {
			t.Errorf("got error %v, want the categories", err)
		}
	})
}
