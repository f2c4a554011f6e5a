package memory

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
)

var (
	_ store.Store          = (*Store)(nil)
	_ store.Log            = (*Store)(nil)
	_ store.Outbox         = (*Store)(nil)
	_ store.Snapshots      = (*Store)(nil)
	_ store.Inbox[*Tx]     = (*Store)(nil)
	_ store.Watcher        = (*Store)(nil)
	_ store.Leases         = (*Store)(nil)
	_ store.Consumers[*Tx] = (*Store)(nil)
	_ store.Identity       = (*Store)(nil)
)

// Store implements every interface of the contract. It is safe for concurrent
// use; its zero value is not usable, [New] makes one.
//
// It never fails by itself: the only errors are those of the contract and those
// of a context that has ended.
type Store struct {
	// writer holds a value while a transaction of the inbox runs. It is taken
	// before mu.
	writer chan struct{}

	mu        sync.RWMutex
	log       []store.Message        // the message at position p is log[p-1]
	streams   map[store.Stream][]int // version v is at log[streams[s][v-1]]
	published []bool                 // parallel to log
	head      int                    // every message before log[head] is published
	snapshots map[snapshotKey]store.Snapshot
	marks     map[string]map[store.Stream]mark // by consumer
	inbox     inbox
	appended  chan struct{}
	leases    map[string]lease
	consumers map[store.ConsumerID]store.Consumer
	parked    map[store.ConsumerID]map[store.Stream]store.Parked
	requests  []store.Request // the one with id n is requests[n-1]
	history   string
	refusals  map[int64]refusal          // by position
	places    map[string]store.Published // by place
}

// New returns an empty store.
func New() *Store {
	return &Store{
		writer:    make(chan struct{}, 1),
		streams:   make(map[store.Stream][]int),
		snapshots: make(map[snapshotKey]store.Snapshot),
		marks:     make(map[string]map[store.Stream]mark),
		inbox:     newInbox(),
		appended:  make(chan struct{}),
		leases:    make(map[string]lease),
		consumers: make(map[store.ConsumerID]store.Consumer),
		parked:    make(map[store.ConsumerID]map[store.Stream]store.Parked),
		history:   newHistory(),
		refusals:  make(map[int64]refusal),
		places:    make(map[string]store.Published),
	}
}

// Watch implements [store.Watcher].
func (s *Store) Watch() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.appended
}

// lock takes mu for writing. A context that has ended by then wins, so that a
// caller who gave up finds nothing written.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	s.mu.Lock()
	if err := ctx.Err(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	return s.mu.Unlock, nil
}

// cloneEvent copies e and what it points to, its time as stores keep it.
func cloneEvent(e store.Event) store.Event {
	e.Data = bytes.Clone(e.Data)
	e.Time = cutTime(e.Time)
	e.Metadata.Fields = maps.Clone(e.Metadata.Fields)
	return e
}

func cloneMessage(m store.Message) store.Message {
	m.Event = cloneEvent(m.Event)
	return m
}

func cutTime(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }
