package combine

import "time"

// write is a write under way.
type write struct {
	streams int       // that it writes to, or when it has not taken them, that wait for it
	since   time.Time // when it was sent; zero while it is not
	late    bool      // it has taken longer than Patience, and holds up no other
}

// watch notes that a write is sent. One timer is for all writes: to set one for each
// costs more than the rest of the queue.
func (q *Queue) watch(w *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.since = time.Now()
	if !q.alarm {
		q.alarm = true
		time.AfterFunc(q.cfg.Patience, q.checkPatience)
	}
}

// unwatch notes that a write is answered.
func (q *Queue) unwatch(w *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.since, w.late = time.Time{}, false
}

// checkPatience starts writes beside those that take too long, and looks again when
// the next one would.
func (q *Queue) checkPatience() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.alarm = false
	next := q.cfg.Patience
	for _, w := range q.writes {
		if w.since.IsZero() || w.late {
			continue
		}
		rest := q.cfg.Patience - now.Sub(w.since)
		if w.late = rest <= 0; !w.late {
			q.alarm, next = true, min(next, rest)
		}
	}
	if q.alarm {
		time.AfterFunc(next, q.checkPatience)
	}
	q.startNext()
}
