package memory

import (
	"bytes"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eventus-go/eventus/store"
)

// inbox is what the store keeps of receivers, their marks excepted. It is guarded
// by the store's mutex.
type inbox struct {
	queues       map[string]map[store.Stream]*queue      // by consumer
	keys         map[string]map[store.EventKey]time.Time // when they were remembered, by consumer
	records      []store.DeadLetter                      // ascending ids
	lastRecord   int64
	incarnations map[string]string // by consumer
}

func newInbox() inbox {
	return inbox{
		queues:       make(map[string]map[store.Stream]*queue),
		keys:         make(map[string]map[store.EventKey]time.Time),
		incarnations: make(map[string]string),
	}
}

// inboxTx is what a transaction has changed of it.
type inboxTx struct {
	queues  map[inboxKey]*queue // nil when gone
	keys    map[string]map[store.EventKey]time.Time
	records []store.DeadLetter
}

func newInboxTx() inboxTx {
	return inboxTx{queues: make(map[inboxKey]*queue), keys: make(map[string]map[store.EventKey]time.Time)}
}

// commitInbox is called with the store's mutex held.
func (tx *Tx) commitInbox() {
	in := &tx.store.inbox
	for consumer := range tx.forgot {
		delete(in.queues, consumer)
		delete(in.keys, consumer)
		in.incarnations[consumer] = newIncarnation()
	}
	for k, q := range tx.queues {
		if q == nil {
			delete(in.queues[k.consumer], k.stream)
		} else {
			put(in.queues, k, q)
		}
	}
	for consumer, keys := range tx.keys {
		if in.keys[consumer] == nil {
			in.keys[consumer] = make(map[store.EventKey]time.Time)
		}
		maps.Copy(in.keys[consumer], keys)
	}
	for _, l := range tx.records {
		in.lastRecord++
		l.ID = in.lastRecord
		in.records = append(in.records, l)
	}
}

// resetInbox takes back what the transaction has stored for a consumer.
func (tx *Tx) resetInbox(consumer string) {
	delete(tx.keys, consumer)
	for k := range tx.queues {
		if k.consumer == consumer {
			delete(tx.queues, k)
		}
	}
}

func newIncarnation() string { return strings.ToLower(rand.Text() + rand.Text())[:32] }

// Incarnation implements [store.Inbox].
func (s *Store) Incarnation(ctx context.Context, consumer string) (string, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return "", err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if s.inbox.incarnations[consumer] == "" {
		s.inbox.incarnations[consumer] = newIncarnation()
	}
	return s.inbox.incarnations[consumer], nil
}

// Remember implements [store.Inbox].
func (s *Store) Remember(ctx context.Context, tx *Tx, consumer string, keys []store.EventKey) ([]bool, error) {
	if err := s.check(ctx, tx, consumer); err != nil {
		return nil, err
	}
	fresh := make([]bool, len(keys))
	for i, key := range keys {
		if fresh[i] = !tx.remembers(consumer, key); !fresh[i] {
			continue
		}
		if tx.keys[consumer] == nil {
			tx.keys[consumer] = make(map[store.EventKey]time.Time)
		}
		tx.keys[consumer][key] = time.Now()
	}
	return fresh, nil
}

func (tx *Tx) remembers(consumer string, key store.EventKey) bool {
	if _, ok := tx.keys[consumer][key]; ok || tx.forgot[consumer] {
		return ok
	}
	tx.store.mu.RLock()
	defer tx.store.mu.RUnlock()
	_, ok := tx.store.inbox.keys[consumer][key]
	return ok
}

// ForgetOlder implements [store.Inbox].
func (s *Store) ForgetOlder(ctx context.Context, consumer string, age time.Duration, limit int) (n int64, err error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return 0, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for key, at := range s.inbox.keys[consumer] {
		if n < int64(limit) && time.Since(at) > age {
			delete(s.inbox.keys[consumer], key)
			n++
		}
	}
	return n, nil
}

// AddDeadLetter implements [store.DeadLetters].
func (s *Store) AddDeadLetter(ctx context.Context, tx *Tx, l store.DeadLetter) error {
	if err := s.check(ctx, tx, l.Consumer); err != nil {
		return err
	}
	l = cloneRecord(l)
	l.At = cutTime(time.Now())
	tx.records = append(tx.records, l)
	return nil
}

// ListDeadLetters implements [store.DeadLetters].
func (s *Store) ListDeadLetters(ctx context.Context, consumer string, before int64, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []store.DeadLetter
	for _, l := range slices.Backward(s.inbox.records) {
		if l.Consumer == consumer && (before == 0 || l.ID < before) && len(page) < limit {
			page = append(page, cloneRecord(l))
		}
	}
	return page, nil
}

// TrimDeadLetters implements [store.DeadLetters].
func (s *Store) TrimDeadLetters(ctx context.Context, consumer string, newest int) (n int64, err error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return 0, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	total := 0
	for _, l := range s.inbox.records {
		if l.Consumer == consumer && l.Reason == "" {
			total++
		}
	}
	s.inbox.records = slices.DeleteFunc(s.inbox.records, func(l store.DeadLetter) bool {
		if l.Consumer != consumer || l.Reason != "" || total <= newest {
			return false
		}
		total--
		n++
		return true
	})
	return n, nil
}

func cloneRecord(l store.DeadLetter) store.DeadLetter {
	l.Message.Data = bytes.Clone(l.Message.Data)
	l.Message.Time = cutTime(l.Message.Time)
	l.Message.Metadata.Fields = maps.Clone(l.Message.Metadata.Fields)
	l.Header = maps.Clone(l.Header)
	return l
}
