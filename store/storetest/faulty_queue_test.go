package storetest_test

import (
	"context"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// numbers is an inbox whose marks are versions alone.
type numbers struct{ *memory.Store }

func (s numbers) Marks(ctx context.Context, tx *memory.Tx, consumer string, streams []store.Stream) ([]store.Mark, error) {
	marks, err := s.Store.Marks(ctx, tx, consumer, streams)
	for i := range marks {
		marks[i].EventID = ""
	}
	return marks, err
}

// renewed begins the age of a queue again whenever it is set.
type renewed struct{ *memory.Store }

func (s renewed) SetQueue(ctx context.Context, tx *memory.Tx, q store.Queue, retryAfter time.Duration) error {
	queued, err := s.Queued(ctx, tx, q.Consumer, q.Stream, 1<<20)
	if err != nil {
		return err
	}
	if err := s.DeleteQueue(ctx, tx, q.Consumer, q.Stream); err != nil {
		return err
	}
	time.Sleep(time.Millisecond)
	if err := s.Store.SetQueue(ctx, tx, q, retryAfter); err != nil {
		return err
	}
	return s.Enqueue(ctx, tx, q.Consumer, queued)
}

// oneForEach takes the version for the key of a message in a queue, so that the
// first of two that claim it wins.
type oneForEach struct{ *memory.Store }

func (s oneForEach) Enqueue(ctx context.Context, tx *memory.Tx, consumer string, messages []store.QueuedMessage) error {
	for _, m := range messages {
		queued, err := s.Queued(ctx, tx, consumer, m.Stream, 1<<20)
		if err != nil {
			return err
		}
		taken := false
		for _, other := range queued {
			taken = taken || other.Version == m.Version
		}
		if !taken {
			if err := s.Store.Enqueue(ctx, tx, consumer, []store.QueuedMessage{m}); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaces lets a message that is queued again replace the first.
type replaces struct{ *memory.Store }

func (s replaces) Enqueue(ctx context.Context, tx *memory.Tx, consumer string, messages []store.QueuedMessage) error {
	for _, m := range messages {
		queued, err := s.Queued(ctx, tx, consumer, m.Stream, 1<<20)
		if err != nil {
			return err
		}
		if err := s.Dequeue(ctx, tx, consumer, m.Stream, 1<<62); err != nil {
			return err
		}
		if err := s.Store.Enqueue(ctx, tx, consumer, append([]store.QueuedMessage{m}, queued...)); err != nil {
			return err
		}
	}
	return nil
}

// impatientQueues gives every queue that retries, before its time.
type impatientQueues struct{ *memory.Store }

func (s impatientQueues) DueQueues(ctx context.Context, consumer string, categories []string, limit int) ([]store.Queue, error) {
	all, err := s.ListQueues(ctx, consumer, store.Stream{}, 1<<20)
	var due []store.Queue
	for _, q := range all {
		for _, category := range categories {
			if q.Stream.Category == category && q.Reason.Retries() && len(due) < limit {
				due = append(due, q)
			}
		}
	}
	return due, err
}

// leftovers deletes a queue and leaves its messages to the next one.
type leftovers struct{ *memory.Store }

func (s leftovers) DeleteQueue(ctx context.Context, tx *memory.Tx, consumer string, stream store.Stream) error {
	return s.SetQueue(ctx, tx, store.Queue{Consumer: consumer, Stream: stream}, 0)
}

// forgetful remembers keys only when the call is over.
type forgetful struct{ *memory.Store }

func (s forgetful) Remember(ctx context.Context, tx *memory.Tx, consumer string, keys []store.EventKey) ([]bool, error) {
	fresh := make([]bool, len(keys))
	for i, key := range keys {
		one, err := s.Store.Remember(ctx, tx, consumer, []store.EventKey{key})
		if err != nil {
			return nil, err
		}
		fresh[i] = one[0]
	}
	for i, key := range keys {
		for j := range i {
			fresh[i] = fresh[i] || keys[j] == key && fresh[j]
		}
	}
	return fresh, nil
}

// eager forgets keys of any age.
type eager struct{ *memory.Store }

func (s eager) ForgetOlder(ctx context.Context, consumer string, _ time.Duration, limit int) (int64, error) {
	return s.Store.ForgetOlder(ctx, consumer, -time.Hour, limit)
}

// unchanging keeps the incarnation of a consumer that is reset.
type unchanging struct{ *memory.Store }

func (s unchanging) Incarnation(ctx context.Context, consumer string) (string, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return "", err
	}
	return ("00000000000000000000000000000000" + consumer)[len(consumer):], ctx.Err()
}

// tidy trims the letters that somebody gave a reason for, too.
type tidy struct{ *memory.Store }

func (s tidy) AddDeadLetter(ctx context.Context, tx *memory.Tx, l store.DeadLetter) error {
	l.Reason = ""
	return s.Store.AddDeadLetter(ctx, tx, l)
}
