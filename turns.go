package eventus

import (
	"context"
	"slices"
	"sync"
	"time"
)

// turnTimeout is how long an Update waits for those before it. One whose decide
// hangs must not keep the others.
const turnTimeout = time.Second

// turns has the Updates under way in this process, one at a time for each
// aggregate, and those that wait. Each gets a group with its turn.
type turns struct {
	mu     sync.Mutex
	newest int64              // the number of the turn that was asked for last
	queues map[string][]*turn // those that wait; has a key for each aggregate with an Update under way
	kept   kept               // of aggregates without an Update under way
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
	var err error
	select {
	case g := <-own.group:
		return g, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	if t.leave(id, own) {
		return nil, err
	}
	return <-own.group, nil // it came meanwhile, and has to be handed on
}

// ask returns a group if the turn is there at once, and else what to wait for.
func (t *turns) ask(id string) (own *turn, g *group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest++
	if t.queues == nil {
		t.queues = make(map[string][]*turn)
	}
	waiting, busy := t.queues[id]
	if !busy {
		t.queues[id] = nil
		if g = t.kept.take(id); g == nil {
			g = newGroup()
		}
		return nil, g
	}
	own = &turn{t.newest, make(chan *group, 1)}
	t.queues[id] = append(waiting, own)
	return own, nil
}

// leave reports whether a turn was still waiting, and waits no more.
func (t *turns) leave(id string, own *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.queues[id], own)
	if i < 0 {
		return false
	}
	t.queues[id] = slices.Delete(t.queues[id], i, i+1)
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
	waiting := t.queues[id]
	if len(waiting) == 0 {
		return false
	}
	t.queues[id] = waiting[1:]
	prepare(waiting[0])
	waiting[0].group <- g
	return true
}

// last returns the number of the turn that was asked for last.
func (t *turns) last() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}
