package consume_test

import (
	"context"
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
