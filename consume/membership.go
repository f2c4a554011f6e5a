package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/eventus-go/eventus/store"
)

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
