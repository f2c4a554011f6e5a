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
}

type turn struct {
	number int64
	group  chan *group
}

// await waits for the turn. Without a group and an error the caller has to go on
// by itself: those before it take too long.
func (t *turns) await(ctx context.Context, id string) (*group, error) {
	own, first := t.ask(id)
	if first {
		return newGroup(), nil
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

func (t *turns) ask(id string) (own *turn, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest++
	if t.queues == nil {
		t.queues = make(map[string][]*turn)
	}
	waiting, busy := t.queues[id]
	if !busy {
		t.queues[id] = nil
		return nil, true
	}
	own = &turn{t.newest, make(chan *group, 1)}
	t.queues[id] = append(waiting, own)
	return own, false
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
	return t.next(id, func(*turn) *group { return g })
}

// end ends a turn. The next Update begins a group of its own, unless it has asked
// for its turn before proven: then it is given g, which was the truth at that time.
func (t *turns) end(id string, g *group, proven int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waits := t.next(id, func(w *turn) *group {
		if w.number > proven {
			return newGroup()
		}
		return g
	})
	if !waits {
		delete(t.queues, id)
	}
}

func (t *turns) next(id string, group func(*turn) *group) bool {
	waiting := t.queues[id]
	if len(waiting) == 0 {
		return false
	}
	t.queues[id] = waiting[1:]
	waiting[0].group <- group(waiting[0])
	return true
}

// last returns the number of the turn that was asked for last.
func (t *turns) last() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}
