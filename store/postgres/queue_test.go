package postgres

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

func openHere(t *testing.T) *Store {
	t.Helper()
	pool := pgtest.Pool(t)
	if err := Migrate(t.Context(), pool, Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), pool, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type result struct {
	version int64
	err     error
}

// queued starts an append while all senders are busy, and returns once it waits
// in the queue.
func queued(ctx context.Context, s *Store, id string, expected store.Expected) <-chan result {
	before := s.queue.len()
	ch := make(chan result, 1)
	go func() {
		r := newRequest(id, expected, 1)
		version, err := s.Append(ctx, r.stream, expected, r.events)
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

func (s *Store) busy(senders int) {
	for range senders {
		s.senders <- struct{}{}
	}
}

func TestCombinedAppends(t *testing.T) {
	t.Run("each append of a batch has its own version check and its own result", func(t *testing.T) {
		s := openHere(t)
		if _, err := s.Append(t.Context(), store.Stream{Category: "product", ID: "a"}, store.Any, newRequest("a", 0, 2).events); err != nil {
			t.Fatal(err)
		}
		batch := []*request{newRequest("a", 0, 2), newRequest("b", 0, 3), newRequest("c", 5, 1), newRequest("d", store.Any, 1)}
		s.send(t.Context(), batch[0], batch)
		for i, want := range []struct{ version, conflictAt int64 }{{0, 2}, {3, -1}, {0, 0}, {1, -1}} {
			var conflict *store.ConflictError
			switch r := batch[i]; {
			case r.alone || !r.isDone():
				t.Errorf("append %d: not decided", i)
			case want.conflictAt < 0 && (r.err != nil || r.version != want.version):
				t.Errorf("append %d: version %d, error %v, want version %d", i, r.version, r.err, want.version)
			case want.conflictAt >= 0 && (!errors.As(r.err, &conflict) || conflict.Actual != want.conflictAt):
				t.Errorf("append %d: error %v, want a conflict at %d", i, r.err, want.conflictAt)
			}
		}
		if log, err := s.ReadAll(t.Context(), 0, 100); err != nil || len(log) != 6 || log[5].Position != 6 {
			t.Errorf("%d messages, error %v, want 6 without holes", len(log), err)
		}
	})
	t.Run("a stream that somebody else appends to is left out of the batch", func(t *testing.T) {
		s := openHere(t)
		tx, err := s.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		busy := newRequest("busy", store.Any, 1)
		if _, err := s.WithTx(tx).Append(t.Context(), busy.stream, store.Any, busy.events); err != nil {
			t.Fatal(err)
		}
		for _, batch := range [][]*request{{newRequest("busy", 0, 1)}, {newRequest("busy", 0, 1), newRequest("free", 0, 1)}} {
			s.send(t.Context(), batch[0], batch)
			if !batch[0].alone || batch[0].err != nil {
				t.Errorf("the busy one: %+v", batch[0])
			}
			if len(batch) > 1 && (batch[1].alone || batch[1].version != 1) {
				t.Errorf("the free one: %+v", batch[1])
			}
		}
	})
	t.Run("appends that wait for a sender are sent by the next one", func(t *testing.T) {
		s := openHere(t)
		s.busy(maxSenders)
		first := queued(t.Context(), s, "a", 0)
		second := queued(t.Context(), s, "a", 0)
		third := queued(t.Context(), s, "b", store.Any)
		for range maxSenders {
			<-s.senders
		}
		a, b := <-first, <-second
		if errors.Is(a.err, store.ErrConflict) {
			a, b = b, a // the two senders may take them in either order
		}
		if a.err != nil || a.version != 1 || !errors.Is(b.err, store.ErrConflict) {
			t.Errorf("of one version: %+v and %+v, want one to win", a, b)
		}
		if r := <-third; r.err != nil || r.version != 1 {
			t.Errorf("third: %+v", r)
		}
	})
	t.Run("an append whose context ends while it waits leaves the queue", func(t *testing.T) {
		s := openHere(t)
		s.busy(maxSenders)
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
		s := openHere(t)
		s.busy(maxSenders)
		ctx, cancel := context.WithCancel(t.Context())
		ch := queued(ctx, s, "a", 0)
		batch := s.queue.take()
		cancel()
		s.send(t.Context(), nil, batch)
		if r := <-ch; r.err != nil || r.version != 1 {
			t.Errorf("got %+v, want version 1", r)
		}
	})
	t.Run("the end of the leader's context does not touch the others", func(t *testing.T) {
		s := openHere(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		own := newRequest("own", 0, 1)
		for _, batch := range [][]*request{{newRequest("a", 0, 1)}, {newRequest("b", 0, 1), newRequest("c", 0, 1)}} {
			s.send(ctx, own, batch)
			if batch[0].err != nil || batch[0].version != 1 {
				t.Errorf("version %d, error %v", batch[0].version, batch[0].err)
			}
		}
	})
	t.Run("a leader whose context has ended writes nothing of its own", func(t *testing.T) {
		s := openHere(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := newRequest("a", 0, 1)
		s.queue.add(r)
		s.busy(1)
		s.lead(ctx, r)
		if !errors.Is(r.err, context.Canceled) || len(s.senders) != 0 || !r.isDone() {
			t.Errorf("error %v, senders busy: %d, done: %v", r.err, len(s.senders), r.isDone())
		}
	})
	t.Run("a panic while sending leaves no append waiting", func(t *testing.T) {
		s := openHere(t)
		s.pool = nil
		r := newRequest("a", 0, 1)
		func() {
			defer func() { _ = recover() }()
			s.send(t.Context(), r, []*request{r})
		}()
		if !r.isDone() || r.err == nil {
			t.Errorf("done: %v, error %v", r.isDone(), r.err)
		}
	})
	t.Run("a batch has a bounded number of events, each stream once, and at least one append", func(t *testing.T) {
		var q queue
		for _, r := range []*request{
			newRequest("a", 0, maxBatch+1), newRequest("a", 0, maxBatch-1), newRequest("b", 0, 1), newRequest("c", 0, 1),
			newRequest("d", 0, 1), newRequest("d", 0, 1),
		} {
			q.add(r)
		}
		for _, want := range []int{1, 2, 2, 1, 0} {
			if got := len(q.take()); got != want {
				t.Errorf("took %d appends, want %d", got, want)
			}
		}
	})
}
