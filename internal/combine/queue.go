package combine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
)

// Config says how a [Queue] writes. All fields but Enter are required.
type Config struct {
	MaxStreams int // groups in one write
	MaxEvents  int // events in one write; a single append may have more
	MaxBytes   int // bytes of events in one write; a single append may have more
	MaxWrites  int // writes under way at a time

	// Timeout bounds a write. Patience is how long a write may take before the
	// next one starts beside it: a connection that has died must not hold up the
	// others.
	Timeout, Patience time.Duration
	// MaxWait bounds how long an append waits for a stream that somebody else is
	// appending to.
	MaxWait time.Duration

	// Enter, if not nil, waits for the right to write, before the groups are
	// chosen. The returned function gives it back.
	Enter func(ctx context.Context) (leave func(), err error)
	// Write writes groups in one transaction. When it returns nil, it has called
	// [Group.Found] or [Group.Busy] of each group.
	Write func(ctx context.Context, groups []*Group) error
	// Refused reports whether an error of Write means that nothing was written, and
	// Divide whether then a part of the groups may be taken.
	Refused, Divide func(err error) bool
}

const (
	// The pause before a stream is tried again that somebody else is appending to
	// doubles from the one to the other.
	firstPause, longestPause = 500 * time.Microsecond, 20 * time.Millisecond
	// grace is how long an append that is being written when its context ends
	// waits for the outcome.
	grace = 2 * time.Second
)

// Queue combines appends. It is safe for concurrent use, and has no goroutine
// while nothing waits.
type Queue struct {
	cfg Config

	mu     sync.Mutex
	lanes  map[store.Stream]*lane // of the streams with appends that wait or are written
	ready  []*lane                // in the order of their turn
	events int                    // of the appends in ready
	bytes  int                    // of these events
	writes []*write               // under way
	crowd  int                    // the most streams that waited or were written at a time, of late
	alarm  bool                   // a timer of checkPatience runs
}

// New returns a queue.
func New(cfg Config) *Queue {
	return &Queue{cfg: cfg, lanes: make(map[store.Stream]*lane)}
}

// Append appends events to the end of a stream, as [store.Store] says.
//
// An append whose context ends before it is written is not written. One that is
// being written then waits for the outcome for two seconds; after that the outcome
// is unknown ([store.ErrOutcomeUnknown]).
func (q *Queue) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := &pending{expected: expected, events: events, bytes: sizeOf(events), done: make(chan struct{})}
	if w := q.add(stream, p); w != nil {
		q.lead(ctx, w, p)
	}
	select {
	case <-p.done:
		return p.result(ctx)
	case <-ctx.Done():
	}
	if q.leave(p) {
		return 0, ctx.Err()
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.result(ctx)
	case <-timer.C:
		return 0, fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, ctx.Err())
	}
}

// add queues an append. If it returns a write, the caller is to do it.
func (q *Queue) add(stream store.Stream, p *pending) *write {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[stream]
	if l == nil {
		l = &lane{stream: stream}
		q.lanes[stream] = l
	}
	l.push(p)
	switch {
	case l.ready:
		q.events += len(p.events)
		q.bytes += p.bytes
	case !l.held:
		q.makeReady(l)
	}
	return q.begin()
}

// leave notes that the caller of an append goes away, and reports whether that
// was before it was written.
func (q *Queue) leave(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.left = true
	return !p.taken
}

// begin returns the write that is to start now, or nil. It is called with mu held.
//
// One large write costs less than two small ones, but the database does not do all
// of a write at once: while it waits for the disk, another can run. So a further
// write starts when it is full, or when half of the crowd waits for it. If it took
// what there is, the writes would become ever smaller.
func (q *Queue) begin() *write {
	if len(q.ready) == 0 || len(q.writes) >= q.cfg.MaxWrites {
		return nil
	}
	writing := 0
	for _, w := range q.writes {
		if !w.late {
			writing += w.streams
		}
	}
	q.crowd = max(q.crowd, writing+len(q.ready))
	full := len(q.ready) >= q.cfg.MaxStreams || q.events >= q.cfg.MaxEvents || q.bytes >= q.cfg.MaxBytes
	if writing > 0 && 2*len(q.ready) < q.crowd && !full {
		return nil
	}
	q.crowd -= 1 + q.crowd/8
	w := &write{streams: len(q.ready)}
	q.writes = append(q.writes, w)
	return w
}

// lead writes for a caller. It stays in the caller's goroutine only as long as the
// write is of nobody else's appends.
func (q *Queue) lead(ctx context.Context, w *write, own *pending) {
	leave, err := q.enter(ctx)
	if err != nil {
		q.end(w) // the next caller's right to write does not end with ctx
		return
	}
	groups, alone := q.take(w, own)
	if !alone {
		go q.run(w, leave, groups)
		return
	}
	ctx, cancel := outlive(ctx)
	defer cancel()
	defer q.end(w)
	defer leave()
	q.write(ctx, w, groups)
}

// outlive returns a context that ends when ctx has ended and the grace is over.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() { stop(); cancel() }
}

// run writes in a goroutine of its own.
func (q *Queue) run(w *write, leave func(), groups []*Group) {
	defer q.end(w)
	defer leave()
	q.write(context.Background(), w, groups)
}

// end ends a write, and starts the next one if there is something to write.
func (q *Queue) end(w *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writes = slices.DeleteFunc(q.writes, func(other *write) bool { return other == w })
	q.startNext()
}

// startNext starts writes in goroutines of their own. It is called with mu held.
func (q *Queue) startNext() {
	for w := q.begin(); w != nil; w = q.begin() {
		go func() {
			leave, err := q.enter(context.Background())
			if err != nil {
				q.end(w)
				return
			}
			groups, _ := q.take(w, nil)
			q.run(w, leave, groups)
		}()
	}
}

func (q *Queue) enter(ctx context.Context) (leave func(), err error) {
	if q.cfg.Enter == nil {
		return func() {}, nil
	}
	return q.cfg.Enter(ctx)
}
