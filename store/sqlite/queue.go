package sqlite

import (
	"slices"
	"sync"

	"github.com/eventus-go/eventus/store"
)

// maxBatch bounds the events that one transaction combines. A single append may
// have more.
const maxBatch = 1000

// request is an append on its way. Version and err are its result once done is
// closed.
type request struct {
	stream   store.Stream
	expected store.Expected
	events   []store.Event

	version int64
	err     error
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

// take takes out the oldest requests, up to maxBatch events of them, but at
// least one if there is any.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, events := 0, 0
	for n < len(q.waiting) {
		events += len(q.waiting[n].events)
		if n > 0 && events > maxBatch {
			break
		}
		n++
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}
