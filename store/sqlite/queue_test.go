package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/store"
	_ "modernc.org/sqlite"
)

func openHere(t *testing.T) (*Store, *sql.DB) {
	t.Helper()
	db, err := sql.Open("sqlite", DSN(filepath.Join(t.TempDir(), "a.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func someEvents(n int) []store.Event {
	all := make([]store.Event, n)
	for i := range all {
		all[i] = store.Event{ID: fmt.Sprint(i), Type: "t", ContentType: "c", Time: time.Unix(1, 0)}
	}
	return all
}

func newRequest(id string, expected store.Expected, n int) *request {
	return &request{
		stream: store.Stream{Category: "c", ID: id}, expected: expected, events: someEvents(n), done: make(chan struct{}),
	}
}

type result struct {
	version int64
	err     error
}

// queued starts an append while the writer's turn is taken, and returns once it
// waits in the queue.
func queued(ctx context.Context, s *Store, id string, expected store.Expected) <-chan result {
	before := s.queue.len()
	ch := make(chan result, 1)
	go func() {
		version, err := s.Append(ctx, store.Stream{Category: "c", ID: id}, expected, someEvents(1))
		ch <- result{version, err}
	}()
	for s.queue.len() == before {
		runtime.Gosched()
	}
	return ch
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func TestCombinedAppends(t *testing.T) {
	t.Run("each append of a batch has its own version check and its own result", func(t *testing.T) {
		s, _ := openHere(t)
		batch := []*request{
			newRequest("a", 0, 2), newRequest("a", 0, 1), newRequest("b", 5, 1), newRequest("a", 2, 1), newRequest("b", store.Any, 3),
		}
		s.commit(t.Context(), batch)
		for i, want := range []struct{ version, conflictAt int64 }{{2, -1}, {0, 2}, {0, 0}, {3, -1}, {3, -1}} {
			var conflict *store.ConflictError
			switch r := batch[i]; {
			case want.conflictAt < 0 && (r.err != nil || r.version != want.version):
				t.Errorf("append %d: version %d, error %v, want version %d", i, r.version, r.err, want.version)
			case want.conflictAt >= 0 && (!errors.As(r.err, &conflict) || conflict.Actual != want.conflictAt):
				t.Errorf("append %d: error %v, want a conflict at %d", i, r.err, want.conflictAt)
			}
		}
		if log, err := s.ReadAll(t.Context(), 0, 100); err != nil || len(log) != 6 {
			t.Errorf("%d messages, error %v, want 6", len(log), err)
		}
	})
	t.Run("when a batch fails nothing of it is written and all get the error, conflicts within it too", func(t *testing.T) {
		s, db := openHere(t)
		if _, err := db.Exec(`CREATE TRIGGER boom AFTER INSERT ON event_store WHEN NEW.version = 3
			BEGIN SELECT raise(FAIL, 'boom'); END`); err != nil {
			t.Fatal(err)
		}
		batch := []*request{newRequest("a", 0, 1), newRequest("a", 0, 1), newRequest("b", 0, 3)}
		s.commit(t.Context(), batch)
		for i, r := range batch {
			if r.err == nil || errors.Is(r.err, store.ErrConflict) || r.version != 0 || !r.isDone() {
				t.Errorf("append %d: version %d, error %v", i, r.version, r.err)
			}
		}
		if log, err := s.ReadAll(t.Context(), 0, 100); err != nil || len(log) != 0 {
			t.Errorf("%d messages, error %v, want none", len(log), err)
		}
	})
	t.Run("the end of the leader's context does not touch the transaction", func(t *testing.T) {
		s, _ := openHere(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := newRequest("a", 0, 1)
		s.commit(ctx, []*request{r})
		if r.err != nil || r.version != 1 {
			t.Errorf("version %d, error %v", r.version, r.err)
		}
	})
	t.Run("a panic while committing leaves no append waiting", func(t *testing.T) {
		s, _ := openHere(t)
		s.db = nil
		r := newRequest("a", 0, 1)
		func() {
			defer func() { _ = recover() }()
			s.commit(t.Context(), []*request{r})
		}()
		if !r.isDone() || r.err == nil {
			t.Errorf("done: %v, error %v", r.isDone(), r.err)
		}
	})
	t.Run("appends that wait for the writer are committed by the next who writes", func(t *testing.T) {
		s, _ := openHere(t)
		s.writer <- struct{}{}
		first := queued(t.Context(), s, "a", 0)
		second := queued(t.Context(), s, "a", 0)
		third := queued(t.Context(), s, "a", store.Any)
		<-s.writer
		if r := <-first; r.err != nil || r.version != 1 {
			t.Errorf("first: %+v", r)
		}
		if r := <-second; !errors.Is(r.err, store.ErrConflict) {
			t.Errorf("second: %+v, want a conflict", r)
		}
		if r := <-third; r.err != nil || r.version != 2 {
			t.Errorf("third: %+v", r)
		}
	})
	t.Run("an append whose context ends while it waits leaves the queue", func(t *testing.T) {
		s, _ := openHere(t)
		s.writer <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		ch := queued(ctx, s, "a", 0)
		cancel()
		if r := <-ch; !errors.Is(r.err, context.Canceled) {
			t.Errorf("got %+v, want context.Canceled", r)
		}
		if n := s.queue.len(); n != 0 {
			t.Errorf("%d appends are left in the queue", n)
		}
	})
	t.Run("an append whose context ends after it was taken gets its result", func(t *testing.T) {
		s, _ := openHere(t)
		s.writer <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		ch := queued(ctx, s, "a", 0)
		batch := s.queue.take()
		cancel()
		s.commit(t.Context(), batch)
		if r := <-ch; r.err != nil || r.version != 1 {
			t.Errorf("got %+v, want version 1", r)
		}
	})
	t.Run("a leader whose context has ended writes nothing of its own", func(t *testing.T) {
		s, _ := openHere(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := newRequest("a", 0, 1)
		s.queue.add(r)
		s.writer <- struct{}{}
		s.lead(ctx, r)
		if !errors.Is(r.err, context.Canceled) || len(s.writer) != 0 {
			t.Errorf("error %v, writer taken: %v", r.err, len(s.writer) != 0)
		}
	})
	t.Run("a batch has a bounded number of events, but at least one append", func(t *testing.T) {
		var q queue
		for _, n := range []int{maxBatch + 1, maxBatch - 1, 1, 1} {
			q.add(newRequest("a", 0, n))
		}
		for _, want := range []int{1, 2, 1, 0} {
			if got := len(q.take()); got != want {
				t.Errorf("took %d appends, want %d", got, want)
			}
		}
	})
}

// An append that waits is passed by none that came later, and who leads gives
// the turn away once its own is committed, so that no other writer waits for
// ever.
func TestTurns(t *testing.T) {
	t.Run("waiting appends are committed in the order of their arrival", func(t *testing.T) {
		s, _ := openHere(t)
		var waiting []*request
		for _, r := range []struct {
			id string
			n  int
		}{{"a", maxBatch}, {"b", 1}, {"c", maxBatch}, {"d", 2}, {"e", 1}} { // four batches
			waiting = append(waiting, newRequest(r.id, 0, r.n))
			s.queue.add(waiting[len(waiting)-1])
		}
		s.writer <- struct{}{}
		s.lead(t.Context(), waiting[4])
		var got []string
		log, err := s.ReadAll(t.Context(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range log {
			if m.Version == 1 {
				got = append(got, m.Stream.ID)
			}
		}
		if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(got, want) {
			t.Errorf("committed in the order %v, want %v", got, want)
		}
	})
	t.Run("a leader gives the turn away once its own append is committed, whatever came meanwhile", func(t *testing.T) {
		s, _ := openHere(t)
		own, later := newRequest("a", 0, 1), newRequest("b", 0, maxBatch)
		s.queue.add(own)
		s.queue.add(later)
		s.writer <- struct{}{}
		s.lead(t.Context(), own)
		if !own.isDone() || later.isDone() || len(s.writer) != 0 {
			t.Errorf("own done: %v, later done: %v, writer taken: %v", own.isDone(), later.isDone(), len(s.writer) != 0)
		}
	})
	t.Run("transactions and appends get the turn in the order in which they asked for it", func(t *testing.T) {
		s, _ := openHere(t)
		synctest.Test(t, func(t *testing.T) {
			turn := make(chan struct{}, 1) // of the bubble, so that synctest sees who waits
			s.writer = turn
			turn <- struct{}{}
			var got []int
			for i := range 20 {
				go func() {
					err := s.write(t.Context(), func(*sql.Tx) error {
						got = append(got, i)
						return nil
					})
					if err != nil {
						t.Errorf("write: %v", err)
					}
				}()
				synctest.Wait()
			}
			<-turn
			synctest.Wait()
			if !slices.IsSorted(got) || len(got) != 20 {
				t.Errorf("the turn went round as %v", got)
			}
		})
	})
}
