package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// queue is a stream of an inbox that does not flow. It is never changed in
// place, since readers outside of the transaction have it.
type queue struct {
	store.Queue
	messages []store.QueuedMessage // ascending
}

// queue returns a queue as the transaction sees it, or nil.
func (tx *Tx) queue(k inboxKey) *queue {
	if q, ok := tx.queues[k]; ok || tx.forgot[k.consumer] {
		return q
	}
	tx.store.mu.RLock()
	defer tx.store.mu.RUnlock()
	return tx.store.inbox.queues[k.consumer][k.stream]
}

// SetQueue implements [store.Queues].
func (s *Store) SetQueue(ctx context.Context, tx *Tx, q store.Queue, retryAfter time.Duration) error {
	if err := s.check(ctx, tx, q.Consumer); err != nil {
		return err
	}
	k := inboxKey{q.Consumer, q.Stream}
	at := time.Now()
	q.NextTry, q.Since = cutTime(at.Add(retryAfter)), cutTime(at)
	changed := &queue{Queue: q}
	if old := tx.queue(k); old != nil {
		changed.Since, changed.messages = old.Since, old.messages
	}
	tx.queues[k] = changed
	return nil
}

// FindQueue implements [store.Queues].
func (s *Store) FindQueue(ctx context.Context, tx *Tx, consumer string, stream store.Stream) (store.Queue, bool, error) {
	if err := s.check(ctx, tx, consumer); err != nil {
		return store.Queue{}, false, err
	}
	q := tx.queue(inboxKey{consumer, stream})
	if q == nil {
		return store.Queue{}, false, nil
	}
	return q.view(), true, nil
}

// view returns the queue with what its messages say.
func (q *queue) view() store.Queue {
	v := q.Queue
	v.Due = !v.NextTry.After(time.Now())
	v.Messages, v.Last = int64(len(q.messages)), 0
	if len(q.messages) > 0 {
		v.Last = q.messages[len(q.messages)-1].Version
	}
	return v
}

// DeleteQueue implements [store.Queues].
func (s *Store) DeleteQueue(ctx context.Context, tx *Tx, consumer string, stream store.Stream) error {
	if err := s.check(ctx, tx, consumer); err != nil {
		return err
	}
	tx.queues[inboxKey{consumer, stream}] = nil
	return nil
}

// Enqueue implements [store.Queues].
func (s *Store) Enqueue(ctx context.Context, tx *Tx, consumer string, messages []store.QueuedMessage) error {
	if err := s.check(ctx, tx, consumer); err != nil {
		return err
	}
	added := make(map[inboxKey]*queue)
	for _, m := range messages {
		k := inboxKey{consumer, m.Stream}
		q := added[k]
		if q == nil {
			old := tx.queue(k)
			if old == nil {
				continue
			}
			q = &queue{Queue: old.Queue, messages: slices.Clone(old.messages)}
			added[k], tx.queues[k] = q, q
		}
		if i, found := slices.BinarySearchFunc(q.messages, m, byVersionAndID); !found {
			m.Message = cloneMessage(m.Message)
			q.messages = slices.Insert(q.messages, i, m)
		}
	}
	return nil
}

// Dequeue implements [store.Queues].
func (s *Store) Dequeue(ctx context.Context, tx *Tx, consumer string, stream store.Stream, version int64) error {
	if err := s.check(ctx, tx, consumer); err != nil {
		return err
	}
	k := inboxKey{consumer, stream}
	if old := tx.queue(k); old != nil {
		rest := old.messages
		for len(rest) > 0 && rest[0].Version <= version {
			rest = rest[1:]
		}
		tx.queues[k] = &queue{Queue: old.Queue, messages: rest}
	}
	return nil
}

// Queued implements [store.Queues].
func (s *Store) Queued(ctx context.Context, tx *Tx, consumer string, stream store.Stream, limit int) ([]store.QueuedMessage, error) {
	if err := s.check(ctx, tx, consumer); err != nil {
		return nil, err
	}
	q := tx.queue(inboxKey{consumer, stream})
	if q == nil {
		return nil, nil
	}
	page := slices.Clone(window(q.messages, 0, limit))
	for i := range page {
		page[i].Message = cloneMessage(page[i].Message)
	}
	return page, nil
}

// DueQueues implements [store.Queues].
func (s *Store) DueQueues(ctx context.Context, consumer string, categories []string, limit int) ([]store.Queue, error) {
	return s.listQueues(ctx, consumer, 0, limit, func(q *store.Queue) bool {
		return slices.Contains(categories, q.Stream.Category) && q.Due && q.Reason.Retries()
	}, func(a, b store.Queue) int { return a.NextTry.Compare(b.NextTry) })
}

// ListQueues implements [store.Queues].
func (s *Store) ListQueues(ctx context.Context, consumer string, after store.Stream, limit int) ([]store.Queue, error) {
	return s.listQueues(ctx, consumer, 0, limit, func(q *store.Queue) bool {
		return byStream(q.Stream, after) > 0
	}, func(a, b store.Queue) int { return byStream(a.Stream, b.Stream) })
}

// OrphanQueues implements [store.Queues].
func (s *Store) OrphanQueues(ctx context.Context, consumer string, categories []string, spared, limit int) ([]store.Queue, error) {
	return s.listQueues(ctx, consumer, spared, limit, func(q *store.Queue) bool {
		return slices.Contains(categories, q.Stream.Category) && q.Reason == store.Gap && q.Version == 1
	}, func(a, b store.Queue) int { return b.Since.Compare(a.Since) })
}

func (s *Store) listQueues(ctx context.Context, consumer string, after, limit int, want func(*store.Queue) bool, order func(a, b store.Queue) int) ([]store.Queue, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []store.Queue
	for _, q := range s.inbox.queues[consumer] {
		if v := q.view(); want(&v) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b store.Queue) int { return cmp.Or(order(a, b), byStream(a.Stream, b.Stream)) })
	return window(found, int64(after), limit), nil
}

// CountQueues implements [store.Queues].
func (s *Store) CountQueues(ctx context.Context, consumer string, categories []string) (store.QueueCounts, error) {
	counts := store.QueueCounts{Streams: make(map[store.Reason]int64)}
	if err := store.CheckConsumer(consumer); err != nil {
		return counts, err
	}
	if err := ctx.Err(); err != nil {
		return counts, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for stream, q := range s.inbox.queues[consumer] {
		if !slices.Contains(categories, stream.Category) {
			continue
		}
		counts.Streams[q.Reason]++
		counts.Messages += int64(len(q.messages))
		if counts.Oldest.IsZero() || q.Since.Before(counts.Oldest) {
			counts.Oldest = q.Since
		}
	}
	return counts, nil
}

func byVersionAndID(a, b store.QueuedMessage) int {
	return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
}

func byStream(a, b store.Stream) int {
	return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.ID, b.ID))
}
