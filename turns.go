package eventus

import (
	"context"
	"slices"
	"sync"
	"time"
)

// turnTimeout is how long an Update waits for its turn while no turn is handed on. One
// whose decide hangs must not keep the others. Where turns are handed on, to wait is
// the fastest: all that went on by themselves would race each other.
const turnTimeout = time.Second

// turns has the Updates under way in this process, one at a time for each
// aggregate, and those that wait. Each gets a group with its turn.
type turns struct {
	mu     sync.Mutex
	newest int64               // the number of the turn that was asked for last
	queues map[string]*waiters // has a key for each aggregate with an Update under way
	kept   kept                // of aggregates without an Update under way
}

// waiters are the Updates of an aggregate that wait.
type waiters struct {
	waiting []*turn
	moved   time.Time // when a turn was handed on last
}

type turn struct {
	number int64
	group  chan *group
}

// await waits for the turn. Without a group and an error the caller has to go on
// by itself: those before it take too long.
func (t *turns) await(ctx context.Context, id string) (*group, error) {
	own, g := t.ask(id)
	if g != nil {
		return g, nil
	}
	timer := time.NewTimer(turnTimeout)
	defer timer.Stop()
	for {
		var err error
		select {
		case g := <-own.group:
			return g, nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
			if left := turnTimeout - time.Since(t.moved(id)); left > 0 {
				timer.Reset(left)
				continue
			}
		}
		if t.leave(id, own) {
			return nil, err
		}
		return <-own.group, nil // it came meanwhile, and has to be handed on
	}
}

// moved returns when a turn was handed on last, while somebody waits.
func (t *turns) moved(id string) (at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.queues[id]; w != nil {
		at = w.moved
	}
	return at
}

// ask returns a group if the turn is there at once, and else what to wait for.
func (t *turns) ask(id string) (own *turn, g *group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest++
	if t.queues == nil {
		t.queues = make(map[string]*waiters)
	}
	w, busy := t.queues[id]
	if !busy {
		t.queues[id] = new(waiters)
		if g = t.kept.take(id); g == nil {
			g = newGroup()
		}
		return nil, g
	}
	own = &turn{t.newest, make(chan *group, 1)}
	w.waiting = append(w.waiting, own)
	return own, nil
}

// leave reports whether a turn was still waiting, and waits no more.
func (t *turns) leave(id string, own *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.queues[id]
	if w == nil {
		return false
	}
	i := slices.Index(w.waiting, own)
	if i < 0 {
		return false
	}
	w.waiting = slices.Delete(w.waiting, i, i+1)
	return true
}

// pass gives the turn and a group to the Update that waits longest, if one does.
func (t *turns) pass(id string, g *group) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next(id, g, func(*turn) {})
}

// end ends a turn. The next Update begins with g. What g has of the store is true
// for one that has asked for its turn before proven, and assumed by a later one.
func (t *turns) end(id string, g *group, proven int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next(id, g, func(w *turn) { g.assumed = w.number > proven }) {
		return
	}
	delete(t.queues, id)
	g.assumed = true
	t.kept.put(id, g)
}

// next hands g to the Update that waits longest, if one does, after prepare.
func (t *turns) next(id string, g *group, prepare func(*turn)) bool {
	w := t.queues[id]
	if w == nil || len(w.waiting) == 0 {
		return false
	}
	first := w.waiting[0]
	w.waiting = w.waiting[1:]
	w.moved = time.Now()
	prepare(first)
	first.group <- g
	return true
}

// last returns the number of the turn that was asked for last.
func (t *turns) last() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}
