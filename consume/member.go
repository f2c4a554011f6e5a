package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

// member is one run of a follower: it keeps a row among the consumer's members,
// claims a fair share of the segments, and has a worker for each.
type member[Tx any] struct {
	*Follower[Tx]
	db      bounded[Tx] // the follower's
	name    string
	program string
	workers map[int]*worker[Tx] // by segment; for the goroutine of run
	nudged  chan struct{}       // asks run to look at once

	rebuilds    bool  // a rebuild was under way at the last look
	toldRebuild int64 // the rebuild that this program was told to be unable to do

	told      int             // the number of segments that was told of
	strangers map[string]bool // names of other programs that were told of
	toldBlock time.Time       // since when the log was held up that was told of

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
	m.compareBlock(ctx)
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
