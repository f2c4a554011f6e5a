package storetest_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/storetest"
)

// stale gives each transaction the marks that were there when it asked for its
// turn, as a snapshot that is taken before the wait for a lock.
type stale struct {
	*memory.Store
	mu        sync.Mutex
	committed map[store.Stream]int64
	views     sync.Map // what a transaction sees, by transaction
}

func (s *stale) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	s.mu.Lock()
	view := maps.Clone(s.committed)
	s.mu.Unlock()
	runtime.Gosched() // gives others the time to commit
	return s.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		s.views.Store(tx, view)
		return f(ctx, tx)
	})
}

func (s *stale) Marks(_ context.Context, tx *memory.Tx, _ string, streams []store.Stream) ([]store.Mark, error) {
	view, _ := s.views.Load(tx)
	marks := make([]store.Mark, len(streams))
	for i, stream := range streams {
		marks[i] = store.Mark{Stream: stream, Version: view.(map[store.Stream]int64)[stream]}
	}
	return marks, nil
}

func (s *stale) SetMarks(_ context.Context, tx *memory.Tx, _ string, marks []store.Mark) error {
	tx.OnCommit(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.committed == nil {
			s.committed = make(map[store.Stream]int64)
		}
		for _, m := range marks {
			s.committed[m.Stream] = m.Version
		}
	})
	return nil
}

type commits struct{ *memory.Store }

func (s commits) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	var failed error
	err := s.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		failed = f(ctx, tx)
		return nil
	})
	return errors.Join(failed, err)
}

type retries struct{ *memory.Store }

func (s retries) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	if err := s.Store.InTx(ctx, f); err == nil {
		return nil
	}
	return s.Store.InTx(ctx, f)
}

type recovers struct{ *memory.Store }

func (s recovers) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) (err error) {
	defer func() {
		if got := recover(); got != nil {
			err = errors.New("the handler panicked")
		}
	}()
	return s.Store.InTx(ctx, f)
}

// deafTx has a transaction that its caller's context does not end.
type deafTx struct{ *memory.Store }

func (s deafTx) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	return s.Store.InTx(context.WithoutCancel(ctx), f)
}

// outside is a backend whose handlers write on a connection of their own.
func outside(t testing.TB) storetest.Backend[*memory.Tx] {
	b := open(t)
	var views sync.Map
	b.Put = func(_ context.Context, _ *memory.Tx, key, value string) error {
		views.Store(key, value)
		return nil
	}
	b.Get = func(_ context.Context, key string) (string, bool, error) {
		value, ok := views.Load(key)
		if !ok {
			return "", false, nil
		}
		return value.(string), true, nil
	}
	return b
}

// keepsQueues resets marks alone.
type keepsQueues struct{ *memory.Store }

func (s keepsQueues) Reset(ctx context.Context, tx *memory.Tx, consumer string) error {
	stream := store.Stream{Category: "product", ID: "p-2"}
	queued, err := s.Queued(ctx, tx, consumer, stream, 10)
	if err != nil {
		return err
	}
	if err := s.Store.Reset(ctx, tx, consumer); err != nil {
		return err
	}
	if err := s.SetQueue(ctx, tx, store.Queue{Consumer: consumer, Stream: stream, Version: 1, Reason: store.Waiting}, 0); err != nil {
		return err
	}
	return s.Enqueue(ctx, tx, consumer, queued)
}

type hopeful struct{ *memory.Store }

func (hopeful) IsTransient(err error) bool { return err != nil }

type generous struct{ *memory.Store }

func (generous) Acquire(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}
