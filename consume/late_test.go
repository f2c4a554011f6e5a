package consume_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// late is a store whose next transactions of segments use up their time after
// the handlers have returned.
type late struct {
	*memory.Store
	left atomic.Int64
}

func (l *late) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	return l.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		err := f(ctx, tx)
		if _, ofSegment := ctx.Deadline(); err == nil && ofSegment && l.left.Add(-1) >= 0 {
			return context.DeadlineExceeded
		}
		return err
	})
}

// A stream that is parked is not parked again at a later message: those between
// would be lost.
func TestASlowDatabaseLosesNothingOfAParkedStream(t *testing.T) {
	for slow := range int64(20) {
		t.Run(fmt.Sprint(slow, " slow transactions"), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				cfg := b.config()
				cfg.Retry = consume.Retry{MaxAttempts: 5, BaseDelay: time.Minute}
				db := &late{Store: b.store}
				b.model.setFail(failOn("bad", 2, errNever))
				b.append("bad", 2)
				b.run(consume.Follow("view", db, cfg, consume.On(bumps, b.model.handle)))
				pass(time.Second)
				if p := b.parked()["bad"]; p.Version != 2 {
					b.Fatalf("parked: %+v", p)
				}
				b.model.setFail(nil)
				db.left.Store(slow)
				b.append("bad", 1)
				b.append("good", 2)
				b.append("bad", 1)
				pass(10 * time.Minute)
				b.want("bad", 4)
				b.want("good", 2)
			})
		})
	}
}

// Trouble with the database says nothing against a message, however long it
// takes.
func TestASlowDatabaseMakesNothingPoison(t *testing.T) {
	inBubble(t, func(b *bench) {
		db := &late{Store: b.store}
		db.left.Store(500)
		b.append("a", 5)
		b.append("b", 5)
		b.run(consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)))
		for range 240 {
			pass(time.Minute)
			for id, p := range b.parked() {
				if p.Reason != store.Waiting || p.Attempts != 0 {
					b.Fatalf("parked: %s %+v", id, p)
				}
			}
		}
		b.want("a", 5)
		b.want("b", 5)
	})
}

// stuck is a store whose next transactions of segments take up their time before
// they begin, as one does whose write lock somebody else holds.
type stuck struct {
	*memory.Store
	left   atomic.Int64
	deaf   bool // it does not notice the end of a context
	parked atomic.Int64
}

func (s *stuck) SetParked(ctx context.Context, tx *memory.Tx, p store.Parked, delay time.Duration) error {
	s.parked.Add(1)
	return s.Store.SetParked(ctx, tx, p, delay)
}

func (s *stuck) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	if deadline, ofSegment := ctx.Deadline(); ofSegment && s.left.Add(-1) >= 0 {
		<-ctx.Done()
		if s.deaf {
			time.Sleep(time.Until(deadline) + time.Minute)
			return errors.New("database is locked")
		}
		return ctx.Err()
	}
	return s.Store.InTx(ctx, f)
}

// A transaction that does not begin says nothing against any message, so that
// none is parked.
func TestADatabaseThatIsBusyParksNothing(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		for busy := range int64(8) {
			t.Run(fmt.Sprint(busy, " busy transactions, deaf: ", deaf), func(t *testing.T) {
				inBubble(t, func(b *bench) {
					db := &stuck{Store: b.store, deaf: deaf}
					b.run(consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)))
					pass(time.Second)
					db.left.Store(busy)
					b.append("a", 5)
					b.append("b", 5)
					pass(15 * time.Minute)
					b.want("a", 5)
					b.want("b", 5)
					if n := db.parked.Load(); n > 0 {
						b.Errorf("streams were parked %d times", n)
					}
				})
			})
		}
	}
}

// deafCommit is a store whose next commits of segments take longer than their
// context, which they do not notice.
type deafCommit struct {
	*memory.Store
	left    atomic.Int64
	counted atomic.Int64 // attempts of messages
}

func (d *deafCommit) SetParked(ctx context.Context, tx *memory.Tx, p store.Parked, delay time.Duration) error {
	d.counted.Add(int64(p.Attempts))
	return d.Store.SetParked(ctx, tx, p, delay)
}

func (d *deafCommit) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	return d.Store.InTx(context.WithoutCancel(ctx), func(inner context.Context, tx *memory.Tx) error {
		err := f(inner, tx)
		if _, ofSegment := ctx.Deadline(); err == nil && ofSegment && d.left.Add(-1) >= 0 {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return errors.New("the commit has failed")
		}
		return err
	})
}

func TestACommitThatHangsMakesNothingPoison(t *testing.T) {
	for hung := range int64(8) {
		t.Run(fmt.Sprint(hung, " commits"), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				db := &deafCommit{Store: b.store}
				b.run(consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)))
				pass(time.Second)
				db.left.Store(hung)
				b.append("a", 5)
				b.append("b", 5)
				pass(15 * time.Minute)
				b.want("a", 5)
				b.want("b", 5)
				if n := db.counted.Load(); n > 0 {
					b.Errorf("%d attempts were counted", n)
				}
			})
		})
	}
}
