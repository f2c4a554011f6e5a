package postgres

import (
	"slices"
	"sync"

	"github.com/eventus-go/eventus/store"
)

const (
	// maxBatch bounds the events that one statement combines. A single append
	// may have more.
	maxBatch = 1000
	// maxStreams bounds the streams, and so the locks, of one statement.
	maxStreams = 256
	// maxSenders bounds the combined appends under way. With two, the server
	// writes one while the other is on the wire.
	maxSenders = 2
)

// request is an append on its way. Version and err are its result once done is
// closed.
type request struct {
	stream   store.Stream
	expected store.Expected
	events   []store.Event

	version int64
	err     error
	alone   bool // not decided: to be appended in a statement of its own
	done    chan struct{}
}

func (r *request) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// queue holds requests in the order of their arrival.
type queue struct {
	mu      sync.Mutex
	waiting []*request
}

func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
}

// remove takes r out and reports whether it was still there.
func (q *queue) remove(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take takes out the oldest requests, up to maxBatch events of them and one for
// each stream, but at least one if there is any.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch, rest []*request
	streams := make(map[store.Stream]bool)
	events := 0
	for i, r := range q.waiting {
		if len(batch) > 0 && events+len(r.events) > maxBatch || len(batch) == maxStreams {
			rest = append(rest, q.waiting[i:]...)
			break
		}
		if streams[r.stream] {
			rest = append(rest, r)
			continue
		}
		streams[r.stream] = true
		events += len(r.events)
		batch = append(batch, r)
	}
	q.waiting = rest
	return batch
}
