package eventus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
)

const (
	// groupPatience is how long decisions wait for one that is being made behind
	// them, to be stored together.
	groupPatience = 5 * time.Millisecond
	// groupTimeout bounds the append of a group, which no single caller may end.
	groupTimeout = time.Minute

	maxGroupMembers = 64
	maxGroupEvents  = 256
	maxGroupBytes   = 1 << 20
)

// group are Updates of one aggregate that are decided one after another and
// stored by one append. Each decides on an aggregate of its own, which is made of
// what the store has and of what the members before it have recorded.
//
// An outcome that rests on events of members before is good once these are stored:
// their append expects the event that was loaded last, and so proves that nobody
// came in between. It proves as well what a group has only assumed, because an
// Update before knew it. An outcome without events on that would be proven by
// nothing; it is decided on what the store has now.
//
// The member that has the turn is the only one to change a group, until the group
// is closed.
type group struct {
	past    *past          // nil until it was loaded, and when it is too long to keep
	base    store.Expected // the last event that the store has
	assumed bool           // that the store has no more than past and base
	members int

	mu     sync.Mutex
	events []store.Event // of the members, to be stored behind base
	bytes  int
	closed bool // it is being stored
	last   core // of the member that has added events last

	sentAt int64           // the newest turn when the append was sent
	saved  *store.Snapshot // of what the store has after it; nil when none was stored
	done   chan struct{}   // closed when err is known
	err    error
}

// past is what the store has of an aggregate.
type past struct {
	snapshot store.Snapshot
	messages []store.Message // all after the snapshot: less than a page
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// add adds the events that a member has recorded on c. It reports false when the
// group is being stored already, or has no room.
func (g *group) add(events []store.Event, c core) bool {
	bytes := 0
	for i := range events {
		bytes += len(events[i].Data)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || len(g.events) > 0 && (len(g.events)+len(events) > maxGroupEvents || g.bytes+bytes > maxGroupBytes) {
		return false
	}
	g.events, g.bytes, g.last = append(g.events, events...), g.bytes+bytes, c
	return true
}

// close reports whether the caller is the one to store the group.
func (g *group) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.closed
	g.closed = true
	return first
}

// takesMore reports whether another member can decide on top of the group.
func (g *group) takesMore() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.closed && g.past != nil && len(g.events) > 0 && len(g.events) < maxGroupEvents && g.bytes < maxGroupBytes && g.members < maxGroupMembers
}

// next returns an empty group on top of one that is stored, or has no events.
func (g *group) next() *group {
	next := newGroup()
	if len(g.events) == 0 {
		next.base, next.past = g.base, g.past
		return next
	}
	next.base = store.After(g.base.Version+int64(len(g.events)), g.events[len(g.events)-1].ID)
	if g.saved != nil {
		next.past = &past{snapshot: *g.saved}
	} else if g.past != nil && len(g.past.messages)+len(g.events) < pageSize {
		next.past = &past{g.past.snapshot, append(slices.Clip(g.past.messages), g.recorded()...)}
	}
	return next
}

// recorded returns the members' events as the store will give them back.
func (g *group) recorded() []store.Message {
	messages := make([]store.Message, len(g.events))
	for i, e := range g.events {
		messages[i] = store.Message{Event: e, Version: g.base.Version + int64(i) + 1}
	}
	return messages
}

// decision is what became of a member of a group.
type decision[A any] struct {
	group     *group
	follows   bool // it was decided on events that the store did not have yet
	added     bool // the group has events of it
	aggregate A
	repeats   int64 // the version that the command has led to before
	err       error
}

// inTurn is an attempt as a member of a group.
func (u *update[A]) inTurn(ctx context.Context) (a A, err error) {
	r := u.repository
	g, err := r.turns.await(ctx, u.id)
	if err != nil {
		return a, fmt.Errorf("update %s %s: wait for the updates before: %w", r.category, u.id, err)
	}
	if g == nil {
		return u.alone(ctx)
	}
	d := u.join(ctx, g)
	if d.follows || d.added {
		if err := r.settle(ctx, u.id, d.group, d.added); err != nil {
			return a, err
		}
	}
	if d.repeats > 0 {
		return r.LoadVersion(ctx, u.id, d.repeats)
	}
	return d.aggregate, d.err
}

// join decides as a member of a group, and hands the turn on.
func (u *update[A]) join(ctx context.Context, g *group) (d decision[A]) {
	r := u.repository
	defer func() { r.hand(ctx, u.id, d.group) }() // also when decide panics
	d = decision[A]{group: g, follows: len(g.events) > 0}
	g.members++
	c, events := u.decideIn(ctx, g, &d)
	if len(events) == 0 && g.assumed && !d.follows {
		g.past = nil
		c, events = u.decideIn(ctx, g, &d)
	}
	if len(events) == 0 {
		return d
	}
	c.saved(c.version()) // nobody uses the aggregate if it is not
	if !g.add(events, c) {
		// Those before are stored without this one: its decision took long, or its
		// events are many. It goes on behind them.
		r.storeGroup(context.WithoutCancel(ctx), u.id, g)
		if g.err != nil {
			return d
		}
		g = g.next()
		g.members = 1
		g.add(events, c)
		d.group, d.follows = g, false
	}
	d.added = true
	return d
}

// decideIn decides on what a group has, and returns the events of that. Without
// any, d has the outcome.
func (u *update[A]) decideIn(ctx context.Context, g *group, d *decision[A]) (c core, events []store.Event) {
	r := u.repository
	d.repeats, d.err = 0, nil
	if d.aggregate, c, d.err = r.enter(ctx, u.id, g); d.err != nil {
		return c, nil
	}
	if d.repeats, d.err = u.repeats(ctx, c.name(), g.base.Version, g.past, g.recorded()); d.repeats > 0 || d.err != nil {
		return c, nil
	}
	if d.err = u.decideOn(d.aggregate, c); d.err != nil {
		return c, nil
	}
	if events, d.err = r.pending(ctx, c); d.err == nil && len(events) > 0 {
		d.err = store.CheckAppend(c.name(), c.base(), events)
	}
	if d.err != nil {
		return c, nil
	}
	return c, events
}

// enter returns an aggregate for a member of a group to decide on.
func (r *Repository[A]) enter(ctx context.Context, id string, g *group) (a A, c core, err error) {
	if g.past != nil {
		return r.remake(id, g)
	}
	a, c, g.past, err = r.load(ctx, id)
	g.base, g.assumed = c.base(), false
	return a, c, err
}

// remake makes an aggregate of what a group knows.
func (r *Repository[A]) remake(id string, g *group) (a A, c core, err error) {
	a, c = r.new(id)
	if g.past.snapshot.Version > 0 {
		if err := c.restore(g.past.snapshot); err != nil {
			return a, c, fmt.Errorf("load %w", describe(c.name(), err))
		}
	}
	for _, messages := range [][]store.Message{g.past.messages, g.recorded()} {
		for i := range messages {
			if err := c.replay(&messages[i]); err != nil {
				return a, c, fmt.Errorf("load %w", err)
			}
		}
	}
	return a, c, nil
}

// hand gives the turn to the next Update of an aggregate. A group that takes more
// goes with it, another one is stored before.
func (r *Repository[A]) hand(ctx context.Context, id string, g *group) {
	if g.takesMore() && r.turns.pass(id, g) {
		return
	}
	if len(g.events) == 0 {
		r.turns.end(id, g.next(), 0)
		return
	}
	finish := func(ctx context.Context) {
		r.storeGroup(ctx, id, g)
		if g.err != nil {
			r.turns.end(id, newGroup(), 0)
		} else {
			r.turns.end(id, g.next(), g.sentAt)
		}
	}
	if g.members == 1 {
		finish(ctx)
		return
	}
	go finish(context.WithoutCancel(ctx))
}

// storeGroup stores a group, or waits until somebody else has.
func (r *Repository[A]) storeGroup(ctx context.Context, id string, g *group) {
	if !g.close() {
		<-g.done
		return
	}
	defer close(g.done)
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	stream := g.last.name()
	g.sentAt = r.turns.last()
	version, err := r.append(ctx, stream, g.base, g.events)
	if err != nil {
		g.err = fmt.Errorf("save %w", describe(stream, err))
		return
	}
	if !r.snapshotDue(g.base.Version, version) {
		return
	}
	c := g.last
	if g.past != nil { // there may be more members: one may be gone, and its aggregate in use
		if _, c, err = r.remake(id, g); err != nil {
			r.snapshotFailed("make", stream, err)
			return
		}
	}
	g.saved = r.writeSnapshot(ctx, c, saveSnapshotTimeout)
}

// settle waits until the group of a member is stored.
func (r *Repository[A]) settle(ctx context.Context, id string, g *group, added bool) error {
	timer := time.NewTimer(groupPatience)
	defer timer.Stop()
	select {
	case <-g.done:
	case <-ctx.Done():
	case <-timer.C:
		go r.storeGroup(context.WithoutCancel(ctx), id, g)
		select {
		case <-g.done:
		case <-ctx.Done():
		}
	}
	select {
	case <-g.done:
	default:
		if added {
			return fmt.Errorf("save %s %s: %w: %w", r.category, id, ErrOutcomeUnknown, ctx.Err())
		}
		return ctx.Err()
	}
	if g.err != nil && (errors.Is(g.err, ErrConflict) || !added) {
		return &raceError{g.err, g.assumed} // what it was decided on is not stored
	}
	return g.err
}
