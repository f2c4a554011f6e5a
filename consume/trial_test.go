package consume_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

var errTrouble = errors.New("the connection is lost")

// cutOff is a store that loses the connection at the commit of a transaction
// in which a handler has set broken.
type cutOff struct {
	*memory.Store
	broken atomic.Bool
}

func (s *cutOff) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	return s.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		err := f(ctx, tx)
		if s.broken.Swap(false) {
			return errTrouble
		}
		return err
	})
}

func (s *cutOff) IsTransient(err error) bool { return errors.Is(err, errTrouble) }

// leaveUncleanly makes the segment look as a member leaves it that was killed.
func (b *bench) leaveUncleanly() {
	b.Helper()
	b.change(func(c *store.Consumer) {
		c.Segments[0].Owner, c.Segments[0].LeaseUntil = "dead", time.Now()
	})
}

// After an unclean end each try of a parked stream is noted before it is made.
// One that meets trouble with the database is taken back, however often.
func TestTroubleWithTheDatabaseUsesUpNoNotedTry(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("bad", 3)
		b.model.setFail(failOn("bad", 1, errNever))
		stop := b.run(b.follower(b.config()))
		pass(10 * time.Millisecond)
		stop()
		if p := b.parked()["bad"]; p.Reason != store.Waiting || p.Attempts != 1 {
			b.Fatalf("parked: %+v", p)
		}
		b.leaveUncleanly()

		db := &cutOff{Store: b.store}
		var tries atomic.Int64
		b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
			db.broken.Store(tries.Add(1) <= 50)
			return nil
		})
		b.run(consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)))
		for tries.Load() < 50 {
			pass(time.Second)
			if p := b.parked()["bad"]; p.Reason != store.Waiting || p.Attempts > 2 {
				b.Fatalf("after %d tries parked: %+v", tries.Load(), p)
			}
		}
		pass(time.Hour)
		b.want("bad", 3)
	})
}

// What was noted for the tries of one message is not held against the next.
func TestANotedTryIsNoAttempt(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("bad", 3)
		b.model.setFail(failOn("bad", 1, errNever))
		stop := b.run(b.follower(b.config()))
		pass(10 * time.Millisecond)
		stop()
		b.leaveUncleanly()
		b.model.setFail(failOn("bad", 2, errNever))
		cfg := b.config()
		cfg.Retry.BaseDelay, cfg.Retry.MaxDelay = time.Hour, time.Hour
		b.run(b.follower(cfg))
		pass(time.Minute)
		b.want("bad", 1)
		if p := b.parked()["bad"]; p.Version != 2 || p.Reason != store.Waiting || p.Attempts != 1 {
			b.Errorf("parked: %+v", p)
		}
	})
}
