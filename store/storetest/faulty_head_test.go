package storetest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// latestHead gives the message with the latest time.
type latestHead struct{ *memory.Store }

func (s latestHead) Head(ctx context.Context) (store.Head, error) {
	log, err := s.ReadAll(ctx, 0, store.MaxEvents)
	if err != nil || len(log) == 0 {
		return store.Head{Settled: true}, err
	}
	last := slices.MaxFunc(log, func(a, b store.Message) int { return a.Time.Compare(b.Time) })
	return store.Head{Position: last.Position, EventID: last.ID, Time: last.Time, Settled: true}, nil
}

// lastHead gives the head of the call before.
type lastHead struct {
	*memory.Store
	mu   sync.Mutex
	last store.Head
}

func (s *lastHead) Head(ctx context.Context) (store.Head, error) {
	head, err := s.Store.Head(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	head, s.last = s.last, head
	head.Settled = true
	return head, err
}

// timesFrom counts the message at the position as well.
type timesFrom struct{ *memory.Store }

func (s timesFrom) TimesAfter(ctx context.Context, positions []int64) ([]time.Time, error) {
	positions = slices.Clone(positions)
	for i := range positions {
		positions[i]--
	}
	return s.Store.TimesAfter(ctx, positions)
}
