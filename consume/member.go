package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

// member is one run of a follower: it keeps a row among the consumer's members,
// claims a fair share of the segments, and has a worker for each.
type member[Tx any] struct {
	*Follower[Tx]
	name    string
	program string
	workers map[int]*worker[Tx] // by segment; for the goroutine of run
	nudged  chan struct{}       // asks run to look at once

	rebuilds    bool  // a rebuild was under way at the last look
	toldRebuild int64 // the rebuild that this program was told to be unable to do

	told      int             // the number of segments that was told of
	strangers map[string]bool // names of other programs that were told of

	hints    sync.Mutex
	hinted   chan struct{} // closed when the broker announces something new
	stopWake func()        // ends the broker's hints; nil while there are none
	deaf     bool          // the last try to get hints has failed
}

// refusal is an error that ends Run: somebody has to act.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(format string, args ...any) error { return &refusal{fmt.Errorf(format, args...)} }

func (m *member[Tx]) run(ctx context.Context) error {
	work, stop := gracefulStop(ctx, m.cfg.StopTimeout)
	defer stop()
	m.hinted = make(chan struct{})
	defer m.leave(work)
	failures := pause.AfterFailures()
	created := false
	for ctx.Err() == nil {
		m.turn()
		err := m.listen()
		if !created {
			err = errors.Join(err, m.create(ctx))
			created = err == nil
		}
		if created {
			err = m.look(ctx, work)
		}
		var refused *refusal
		switch {
		case ctx.Err() != nil:
		case errors.As(err, &refused):
			return fmt.Errorf("consumer %s: %w", m.id.Name, refused.err)
		case err != nil:
			d, _ := failures.Next()
			m.log.Error("consumer pauses", slog.Any("error", err), slog.Duration("pause", d))
			pause.Wait(ctx, d, nil)
		default:
			failures = pause.AfterFailures()
			m.rest(ctx)
		}
	}
	return nil
}

// lookInterval is the time between two looks at the consumer's rows.
func (m *member[Tx]) lookInterval() time.Duration { return min(time.Second, m.cfg.LeaseDuration/6) }

func (m *member[Tx]) rest(ctx context.Context) {
	timer := time.NewTimer(m.lookInterval())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-m.nudged:
	case <-timer.C:
	}
}

func (m *member[Tx]) nudge() {
	select {
	case m.nudged <- struct{}{}:
	default:
	}
}

// create makes the consumer if it is not there.
func (m *member[Tx]) create(ctx context.Context) error {
	there, now, err := m.db.ListConsumers(ctx, m.id)
	if err != nil || len(there) > 0 {
		return err
	}
	waits := time.AfterFunc(m.lookInterval(), func() {
		m.log.Warn("the consumer has not begun yet: it looks for its place in the log, and waits while an append is under way", slog.String("start", m.cfg.Start.String()))
	})
	defer waits.Stop()
	place, err := m.cfg.Start.place(ctx, m.db)
	if err != nil {
		return fmt.Errorf("find where to begin: %w", err)
	}
	c := store.Consumer{
		ConsumerID: m.id, Categories: m.categories(), Start: m.cfg.Start.String(), CreatedAt: now,
		Segments: newSegments(max(1, m.cfg.Segments), place, 0),
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.LeaseDuration/2)
	defer cancel()
	return m.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		_, err := m.db.CreateConsumer(ctx, tx, c)
		return err
	})
}

// newSegments returns segments at one place. Claims of those before them, up to
// epoch, are void.
func newSegments(n int, place store.Progress, epoch int64) []store.Segment {
	segments := make([]store.Segment, n)
	for i := range segments {
		segments[i] = store.Segment{Progress: place, Epoch: epoch}
	}
	return segments
}

// look compares the consumer's rows with what this member does, and acts where
// they differ. It locks the rows only when it has something to write.
func (m *member[Tx]) look(ctx, work context.Context) error {
	for i, w := range m.workers {
		if w.ended() {
			delete(m.workers, i)
		}
	}
	rows, now, err := m.db.ListConsumers(ctx, m.id)
	if err != nil {
		return fmt.Errorf("read the consumer: %w", err)
	}
	if len(rows) == 0 {
		return refuse("it was removed while this program worked on it; start the program again to create it from %s", m.cfg.Start)
	}
	c := rows[0]
	pending, err := m.db.PendingRequests(ctx, m.id)
	if err != nil {
		return fmt.Errorf("read the consumer's requests: %w", err)
	}
	if err := m.check(c, pending); err != nil {
		return err
	}
	admin, err := m.answer(ctx, pending)
	if err != nil {
		return err
	}
	m.compareSegments(c)
	if m.rebuilds = c.Rebuild != 0; m.rebuilds && m.mayRebuild() != "" && m.toldRebuild != c.Rebuild {
		m.toldRebuild = c.Rebuild
		m.log.Warn("the consumer waits for a program that can rebuild it", slog.Int64("request", c.Rebuild), slog.String("reason", m.mayRebuild()))
	}
	m.direct(&c, now)
	if len(admin) == 0 && !m.mustWrite(c, now) {
		return nil
	}
	return m.manage(ctx, work, admin)
}

// check refuses a consumer that this follower must not work on.
func (m *member[Tx]) check(c store.Consumer, pending []store.Request) error {
	if c.RenamedTo != "" {
		return refuse("it was renamed to %s: use that name", c.RenamedTo)
	}
	rebuild := c.Rebuild != 0 || slices.ContainsFunc(pending, func(r store.Request) bool { return r.Action == store.Rebuild })
	if own := m.categories(); !slices.Equal(c.Categories, own) && !rebuild {
		return refuse("it reads the categories %v and this program reads %v: the past of a category that is added would be missing. "+
			"Give another consumer another name; or set another Config.Generation, which is built beside this one; or ask for a rebuild", c.Categories, own)
	}
	return nil
}

// compareSegments tells, once for each number, that the consumer has another
// number of segments than this program is configured for.
func (m *member[Tx]) compareSegments(c store.Consumer) {
	have := len(c.Segments)
	if m.cfg.Segments == 0 || m.cfg.Segments == have || c.NextSegments != 0 || m.told == have {
		return
	}
	m.told = have
	m.log.Warn("the consumer keeps its number of segments; to change it, ask for it (store.SetSegments)",
		slog.Int("segments", have), slog.Int("configured", m.cfg.Segments))
}

// direct tells this member's workers what the rows ask of them.
func (m *member[Tx]) direct(c *store.Consumer, now time.Time) {
	for i, w := range m.workers {
		switch {
		case i >= len(c.Segments) || c.Segments[i].Epoch > w.epoch.Load():
			w.cancel() // it belongs to somebody else
		case c.Paused:
			w.stop()
		default:
			w.meetAt.Store(c.MeetAt)
		}
	}
	spare := len(m.workers) - m.share(c, now)
	for i := len(c.Segments) - 1; i >= 0 && spare > 0; i-- {
		if w := m.workers[i]; w != nil {
			w.stop()
			spare--
		}
	}
}

// share is how many segments this member should have. All members come to shares
// that add up.
func (m *member[Tx]) share(c *store.Consumer, now time.Time) int {
	names := []string{m.name}
	for _, other := range c.Members {
		if other.Name != m.name && m.lasts(other.Until, now) {
			names = append(names, other.Name)
		}
	}
	slices.Sort(names)
	share := len(c.Segments) / len(names)
	if slices.Index(names, m.name) < len(c.Segments)%len(names) {
		share++
	}
	return share
}

// lasts reports whether a lease holds. One that ends in a distant future was made
// before the database's clock was set back.
func (m *member[Tx]) lasts(until, now time.Time) bool {
	return until.After(now) && until.Sub(now) < 10*m.cfg.LeaseDuration
}

// mustWrite reports whether the rows need a change by this member.
func (m *member[Tx]) mustWrite(c store.Consumer, now time.Time) bool {
	i := slices.IndexFunc(c.Members, func(o store.Member) bool { return o.Name == m.name })
	return i < 0 || c.Members[i].Until.Before(now.Add(m.cfg.LeaseDuration*2/3)) || !m.lasts(c.Members[i].Until, now) ||
		c.Rebuild != 0 || c.NextSegments != 0 && (meets(c) || passed(c)) || len(m.claimable(&c, now)) > 0
}

// claimable returns the segments that this member should claim now.
func (m *member[Tx]) claimable(c *store.Consumer, now time.Time) []int {
	if c.Paused || c.Rebuild != 0 {
		return nil
	}
	room := m.share(c, now) - len(m.workers)
	var free []int
	for i, s := range c.Segments {
		left := s.Owner == "" || s.Owner == m.name || !m.lasts(s.LeaseUntil, now)
		if len(free) < room && left && s.Forked == "" && m.workers[i] == nil {
			free = append(free, i)
		}
	}
	return free
}

// manage changes the consumer's rows under their lock: what operators ask for,
// this member's row, and its claims.
func (m *member[Tx]) manage(ctx, work context.Context, requests []store.Request) error {
	var claimed []*worker[Tx]
	bounded, cancel := context.WithTimeout(ctx, m.patience(requests))
	defer cancel()
	err := m.db.InTx(bounded, func(ctx context.Context, tx Tx) error {
		c, now, err := m.db.LockConsumer(ctx, tx, m.id)
		if err != nil {
			return err
		}
		if err := m.carryOut(ctx, tx, &c, requests); err != nil {
			return err
		}
		if c.Rebuild != 0 && m.mayRebuild() == "" {
			return m.rebuild(ctx, tx, c)
		}
		// Another member may have rebuilt it since, with other categories.
		if err := m.check(c, nil); err != nil {
			return err
		}
		m.register(&c, now)
		meet(&c)
		for _, i := range m.claimable(&c, now) {
			s := &c.Segments[i]
			clean := s.Owner == ""
			s.Owner, s.LeaseUntil = m.name, now.Add(m.cfg.LeaseDuration)
			s.Epoch++
			claimed = append(claimed, m.newWorker(c, i, clean))
		}
		return m.db.SaveConsumer(ctx, tx, c)
	})
	if err != nil {
		return fmt.Errorf("claim segments: %w", err)
	}
	for _, w := range claimed {
		m.workers[w.claim.Segment] = w
		w.start(ctx, work)
	}
	return nil
}

// longestReset is how long a rebuild may take to empty a read model.
const longestReset = time.Hour

// patience is how long a transaction may take that locks the consumer: a process
// that is stopped in the middle of it must not hold the others up for longer. The
// user's reset runs in that of a rebuild.
func (m *member[Tx]) patience(requests []store.Request) time.Duration {
	if m.rebuilds || slices.ContainsFunc(requests, func(r store.Request) bool { return r.Action == store.Rebuild }) {
		return longestReset
	}
	return m.cfg.LeaseDuration / 2
}

// register renews this member's row and drops those that have ended.
func (m *member[Tx]) register(c *store.Consumer, now time.Time) {
	c.Members = slices.DeleteFunc(c.Members, func(o store.Member) bool { return o.Name == m.name || !m.lasts(o.Until, now) })
	for _, other := range c.Members {
		m.warnOfStranger(other)
	}
	c.Members = append(c.Members, store.Member{Name: m.name, Program: m.program, Until: now.Add(m.cfg.LeaseDuration)})
}

// warnOfStranger tells, once, that a program of another name works on the same
// consumer: if their handlers differ, each gets a part of the messages.
func (m *member[Tx]) warnOfStranger(other store.Member) {
	own, _, _ := strings.Cut(m.program, " (")
	name, _, _ := strings.Cut(other.Program, " (")
	if name == own || m.strangers[name] {
		return
	}
	if m.strangers == nil {
		m.strangers = make(map[string]bool)
	}
	m.strangers[name] = true
	m.log.Warn("another program works on this consumer and gets a part of its messages; if it does something else with them, give each its own consumer name",
		slog.String("program", m.program), slog.String("other_program", other.Program))
}

// leave stops the workers, waits for them, and takes this member's row away.
func (m *member[Tx]) leave(work context.Context) {
	for _, w := range m.workers {
		w.stop()
	}
	for _, w := range m.workers {
		<-w.done
	}
	m.hints.Lock()
	if m.stopWake != nil {
		m.stopWake()
		m.stopWake = nil
	}
	m.hints.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), 5*time.Second)
	defer cancel()
	err := m.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		c, _, err := m.db.LockConsumer(ctx, tx, m.id)
		if err != nil {
			return err
		}
		c.Members = slices.DeleteFunc(c.Members, func(o store.Member) bool { return o.Name == m.name })
		return m.db.SaveConsumer(ctx, tx, c)
	})
	if err != nil && !errors.Is(err, store.ErrNoConsumer) {
		m.log.Warn("the member's row stays until its lease ends", slog.Any("error", err))
	}
}

// meets reports whether all segments stand at the place where they meet.
func meets(c store.Consumer) bool {
	return !slices.ContainsFunc(c.Segments, func(s store.Segment) bool { return s.Position != c.MeetAt })
}

// passed reports whether a segment stands beyond the place where they meet.
func passed(c store.Consumer) bool {
	return slices.ContainsFunc(c.Segments, func(s store.Segment) bool { return s.Position > c.MeetAt })
}

// meet changes the number of segments once all of them stand at one place. Until
// then it moves that place on when a segment has passed it.
func meet(c *store.Consumer) {
	if c.NextSegments == 0 {
		return
	}
	for _, s := range c.Segments {
		c.MeetAt = max(c.MeetAt, s.Position)
	}
	if !meets(*c) {
		return
	}
	epoch := int64(0)
	for _, s := range c.Segments {
		epoch = max(epoch, s.Epoch)
	}
	place := store.Progress{Position: c.Segments[0].Position, EventID: c.Segments[0].EventID}
	c.Segments = newSegments(c.NextSegments, place, epoch+1)
	c.MeetAt, c.NextSegments = 0, 0
}

// listen asks the broker for hints, if there is one and it has not been asked.
func (m *member[Tx]) listen() error {
	m.hints.Lock()
	defer m.hints.Unlock()
	if m.cfg.Wake == nil || m.stopWake != nil {
		return nil
	}
	stop, err := m.cfg.Wake.Notify(m.categories(), m.hint)
	if err != nil {
		if !m.deaf {
			m.log.Warn("no hints from the broker; the consumer looks at the log by itself", slog.Duration("interval", m.cfg.MaxPollInterval), slog.Any("error", err))
		}
		m.deaf = true
		return nil
	}
	m.stopWake, m.deaf = stop, false
	return nil
}

// hint wakes all workers.
func (m *member[Tx]) hint() {
	m.hints.Lock()
	defer m.hints.Unlock()
	close(m.hinted)
	m.hinted = make(chan struct{})
}

func (m *member[Tx]) hintOf() <-chan struct{} {
	m.hints.Lock()
	defer m.hints.Unlock()
	return m.hinted
}
