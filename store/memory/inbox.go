package memory

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/eventus-go/eventus/store"
)

// Tx is a transaction of a [Store]'s inbox. What it changes shows after its
// commit, all at once. It belongs to the function that [Store.InTx] runs and
// must not be used after that function has returned, or by two goroutines at
// once.
type Tx struct {
	store    *Store
	forgot   map[string]bool   // consumers whose stored state is gone
	marks    map[inboxKey]mark // set in this transaction
	onCommit []func()
	inboxTx

	consumers map[store.ConsumerID]*store.Consumer // read or changed in this transaction; nil when gone
	rows      map[parkedKey]*store.Parked          // changed in this transaction; nil when gone
	finished  map[int64]bool                       // requests
	requests  []func(*store.Request)               // changes of requests

	ended atomic.Bool
}

// over reports whether the transaction has ended.
func (tx *Tx) over() bool { return tx.ended.Load() }

type inboxKey struct {
	consumer string
	stream   store.Stream
}

type mark struct {
	version int64
	eventID string
}

// OnCommit stages f: a handler's write to a read model in memory. Staged
// functions run in order when the transaction commits, before any other
// transaction can see its marks; when it rolls back, they do not run. They must
// not panic and must not start a transaction of the same store.
func (tx *Tx) OnCommit(f func()) { tx.onCommit = append(tx.onCommit, f) }

// txKey marks the context of a running transaction of the store.
type txKey struct{ *Store }

// InTx implements [store.Transactions]. One transaction runs at a time; the
// others wait for it, or for the end of their context.
//
// Inside f, an append to the store is an append of its own: it stays when the
// transaction rolls back. A transaction inside f is refused, since it would wait
// for its own end.
func (s *Store) InTx(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if ctx.Value(txKey{s}) != nil {
		return errors.New("a transaction inside a transaction of the same store: use the one at hand")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	tx := &Tx{
		store:     s,
		forgot:    make(map[string]bool),
		marks:     make(map[inboxKey]mark),
		inboxTx:   newInboxTx(),
		consumers: make(map[store.ConsumerID]*store.Consumer),
		rows:      make(map[parkedKey]*store.Parked),
		finished:  make(map[int64]bool),
	}
	end := sync.OnceFunc(func() {
		tx.ended.Store(true)
		<-s.writer
	})
	defer end()
	stopped := context.AfterFunc(ctx, end)
	defer stopped()
	if err := f(context.WithValue(ctx, txKey{s}, true), tx); err != nil {
		return err
	}
	if !stopped() {
		return ctx.Err()
	}
	tx.commit()
	return nil
}

// commit runs the staged functions before it takes mu: they may lock what
// readers of the store hold. Nobody else can look at marks meanwhile, because
// the transaction still holds writer.
func (tx *Tx) commit() {
	for _, f := range tx.onCommit {
		f()
	}
	s := tx.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for consumer := range tx.forgot {
		delete(s.marks, consumer)
	}
	for k, v := range tx.marks {
		put(s.marks, k, v)
	}
	tx.commitInbox()
	for id, c := range tx.consumers {
		if c == nil {
			delete(s.consumers, id)
		} else {
			s.consumers[id] = *c
		}
	}
	for k, p := range tx.rows {
		switch {
		case p == nil:
			delete(s.parked[k.consumer], k.stream)
		case s.parked[k.consumer] == nil:
			s.parked[k.consumer] = map[store.Stream]store.Parked{k.stream: *p}
		default:
			s.parked[k.consumer][k.stream] = *p
		}
	}
	for _, change := range tx.requests {
		for i := range s.requests {
			change(&s.requests[i])
		}
	}
}

func put[V any](m map[string]map[store.Stream]V, k inboxKey, v V) {
	if m[k.consumer] == nil {
		m[k.consumer] = make(map[store.Stream]V)
	}
	m[k.consumer][k.stream] = v
}

// check tells whether tx may be used now, for consumer.
func (s *Store) check(ctx context.Context, tx *Tx, consumer string) error {
	if err := store.CheckConsumer(consumer); err != nil {
		return err
	}
	if tx.store != s || tx.over() {
		return errEnded
	}
	return ctx.Err()
}

var errEnded = errors.New("the transaction has ended or belongs to another store")

// Marks implements [store.Inbox]. The locks are held already: one transaction
// runs at a time.
func (s *Store) Marks(ctx context.Context, tx *Tx, consumer string, streams []store.Stream) ([]store.Mark, error) {
	if err := s.check(ctx, tx, consumer); err != nil {
		return nil, err
	}
	marks := make([]store.Mark, len(streams))
	for i, stream := range streams {
		k := inboxKey{consumer, stream}
		m := tx.mark(k)
		marks[i] = store.Mark{Stream: stream, Version: m.version, EventID: m.eventID}
		if q := tx.queue(k); q != nil {
			marks[i].Reason = q.Reason
		}
	}
	return marks, nil
}

func (tx *Tx) mark(k inboxKey) mark {
	if v, ok := tx.marks[k]; ok || tx.forgot[k.consumer] {
		return v
	}
	tx.store.mu.RLock()
	defer tx.store.mu.RUnlock()
	return tx.store.marks[k.consumer][k.stream]
}

// SetMarks implements [store.Inbox].
func (s *Store) SetMarks(ctx context.Context, tx *Tx, consumer string, marks []store.Mark) error {
	if err := s.check(ctx, tx, consumer); err != nil {
		return err
	}
	for _, m := range marks {
		tx.marks[inboxKey{consumer, m.Stream}] = mark{m.Version, m.EventID}
	}
	return nil
}

// Reset implements [store.Inbox].
func (s *Store) Reset(ctx context.Context, tx *Tx, consumer string) error {
	if err := s.check(ctx, tx, consumer); err != nil {
		return err
	}
	tx.forgot[consumer] = true
	for k := range tx.marks {
		if k.consumer == consumer {
			delete(tx.marks, k)
		}
	}
	tx.resetInbox(consumer)
	return nil
}

// IsTransient implements [store.Transactions]. Memory has no passing trouble.
func (s *Store) IsTransient(error) bool { return false }
