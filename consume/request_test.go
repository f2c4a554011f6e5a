package consume_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// slowReader is a store whose next answer with pending requests, once armed,
// arrives late.
type slowReader struct {
	*memory.Store
	armed   atomic.Bool
	release chan struct{}
}

func (s *slowReader) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	pending, err := s.Store.PendingRequests(ctx, id)
	if len(pending) > 0 && s.armed.CompareAndSwap(true, false) {
		<-s.release
	}
	return pending, err
}

// Two members find the same request. The second gets the lock when the first has
// carried it out, and when what was asked for next is done too.
func TestARequestIsCarriedOutOnce(t *testing.T) {
	for name, c := range map[string]struct {
		first, next store.Request
		resets      int64
		paused      bool
		segments    int
	}{
		"pause":        {first: store.Request{Action: store.Pause}, next: store.Request{Action: store.Resume}, segments: 1},
		"resume":       {first: store.Request{Action: store.Resume}, next: store.Request{Action: store.Pause}, paused: true, segments: 1},
		"set segments": {first: store.Request{Action: store.SetSegments, Segments: 3}, next: store.Request{Action: store.SetSegments, Segments: 2}, segments: 2},
		"rebuild":      {first: store.Request{Action: store.Rebuild}, next: store.Request{Action: store.Resume}, resets: 1, segments: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				var resets atomic.Int64
				onReset := consume.OnReset(func(ctx context.Context, tx *memory.Tx) error {
					resets.Add(1)
					return b.model.reset(ctx, tx)
				})
				slow := &slowReader{Store: b.store, release: make(chan struct{})}
				b.append("a", 10)
				b.run(consume.Follow("view", slow, b.config(), consume.On(bumps, b.model.handle), onReset))
				pass(time.Second)
				slow.armed.Store(true)
				b.ask(c.first)
				pass(5 * time.Second) // the first member has found it
				b.run(consume.Follow("view", b.store, b.config(), consume.On(bumps, b.model.handle), onReset))
				pass(5 * time.Second)
				if slow.armed.Load() || b.requests()[0].DoneAt.IsZero() {
					b.Fatalf("the requests are %+v", b.requests())
				}
				b.ask(c.next)
				pass(5 * time.Second)
				close(slow.release)
				b.append("a", 10)
				pass(time.Minute)
				if got := b.consumer(); got.Paused != c.paused || len(got.Segments) != c.segments || got.NextSegments != 0 || got.Rebuild != 0 {
					b.Errorf("the consumer is %+v", got)
				}
				if got := resets.Load(); got != c.resets {
					b.Errorf("%d resets, want %d", got, c.resets)
				}
				for _, r := range b.requests() {
					if r.DoneAt.IsZero() {
						b.Errorf("not done: %+v", r)
					}
				}
				if !c.paused {
					b.want("a", 20)
				}
			})
		})
	}
}

// lockless is a store that locks no consumer.
type lockless struct{ *memory.Store }

func (lockless) LockConsumer(context.Context, *memory.Tx, store.ConsumerID) (store.Consumer, time.Time, error) {
	return store.Consumer{}, time.Time{}, errNever
}

// A rename or removal that fails is closed: no member would carry it out later.
func TestARenameThatFailsDoesNotStayPending(t *testing.T) {
	for _, r := range []store.Request{{Action: store.Rename, NewName: "other"}, {Action: store.Remove}} {
		t.Run(string(r.Action), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.append("a", 1)
				b.run(b.follower(b.config()))
				pass(time.Second)
				r.Consumer = store.ConsumerID{Name: "view"}
				if _, err := consume.Ask(context.Background(), lockless{b.store}, r); !errors.Is(err, errNever) {
					b.Errorf("got error %v", err)
				}
				if got := b.requests()[0]; got.DoneAt.IsZero() || got.Outcome != "failed: never" {
					b.Errorf("request %+v", got)
				}
				b.append("a", 1)
				pass(time.Minute)
				b.want("a", 2)
			})
		})
	}
}

// lockCounter counts how often consumers are locked.
type lockCounter struct {
	*memory.Store
	n atomic.Int64
}

func (l *lockCounter) LockConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	l.n.Add(1)
	return l.Store.LockConsumer(ctx, tx, id)
}

// A process that ends while it carries out a rename leaves the request behind.
// The members go on, and lock nothing because of it.
func TestAnAbandonedRenameDisturbsNobody(t *testing.T) {
	inBubble(t, func(b *bench) {
		db := &lockCounter{Store: b.store}
		b.run(consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)))
		pass(time.Minute)
		before := db.n.Load()
		pass(5 * time.Minute)
		calm := db.n.Load() - before
		if _, err := b.store.AddRequest(context.Background(), store.Request{Consumer: store.ConsumerID{Name: "view"}, Action: store.Rename, NewName: "other"}); err != nil {
			b.Fatal(err)
		}
		before = db.n.Load()
		pass(5 * time.Minute)
		if got := db.n.Load() - before; got > calm+2 {
			b.Errorf("the consumer was locked %d times in five minutes, and %d times in those before the request", got, calm)
		}
		b.append("a", 1)
		pass(time.Second)
		b.want("a", 1)
	})
}

// A second skip must not pass over the message behind the one that failed.
func TestAMessageThatHasNotFailedIsNotSkipped(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("bad", 3)
		b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
			if m.Version == 2 {
				return consume.Permanent(errNever)
			}
			return nil
		})
		b.run(b.follower(b.config()))
		pass(time.Second)
		b.ask(store.Request{Action: store.Pause}) // so that nobody takes the stream up between
		pass(3 * time.Second)
		for range 2 {
			b.ask(store.Request{Action: store.Skip, Stream: bumps.Stream("bad"), Reason: "a test"})
		}
		pass(3 * time.Second)
		r := b.requests()
		if !strings.HasPrefix(r[1].Outcome, "version 2 was passed over") || r[0].Outcome != "refused: version 3, which is next, has not failed" {
			b.Errorf("requests: %+v", r)
		}
		b.ask(store.Request{Action: store.Resume})
		pass(3 * time.Second)
		if got := b.model.of(bumps.Stream("bad")); !slices.Equal(got, []int64{1, 3}) {
			b.Errorf("the model has %v", got)
		}
	})
}

// gated is a store whose transactions wait while it is shut.
type gated struct {
	*memory.Store
	open chan struct{}
}

func (g *gated) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	select {
	case <-g.open:
		return g.Store.InTx(ctx, f)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A member of the old program looks at the consumer before a rebuild by the new
// one, which reads more, and claims segments after it.
func TestAMemberThatComesLateToARebuildDoesNotTakeItsSegments(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		b.appendTo(jumps, "j", 3)
		stop := b.run(b.follower(b.config()))
		pass(time.Second)
		stop()
		b.ask(store.Request{Action: store.Rebuild})

		db := &gated{Store: b.store, open: make(chan struct{})}
		ended := make(chan error, 1)
		go func() {
			ended <- consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)).Run(context.Background())
		}()
		pass(time.Second) // it waits with what it has read

		wider := func() *consume.Follower[*memory.Tx] {
			return consume.Follow("view", b.store, b.config(), consume.On(bumps, b.model.handle), consume.On(jumps, b.model.handle), consume.OnReset(b.model.reset))
		}
		stop = b.run(wider())
		pass(5 * time.Second)
		b.wantOf(jumps.Stream("j"), 3)
		stop()
		b.append("a", 2)
		b.appendTo(jumps, "j", 2)
		close(db.open)
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "[bump jump] and this program reads [bump]") {
			b.Errorf("the old program ends with %v", err)
		}
		b.run(wider())
		pass(time.Minute)
		b.want("a", 5)
		b.wantOf(jumps.Stream("j"), 5)
	})
}

// An event of a category that the consumer does not read is in no read model of
// it, however far it has come.
func TestWaitForAnotherCategoryIsOfNoUse(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.follower(b.config())
		b.run(f)
		b.appendTo(jumps, "j", 1)
		pass(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for name, wait := range map[string]func(version int64) error{
			"function": func(version int64) error {
				return consume.Wait(ctx, b.store, store.ConsumerID{Name: "view"}, jumps.Stream("j"), version)
			},
			"method": func(version int64) error { return f.Wait(ctx, jumps.Stream("j"), version) },
		} {
			if err := wait(1); !errors.Is(err, consume.ErrNotFollowed) || !strings.Contains(err.Error(), "does not read the category jump") {
				b.Errorf("%s: %v", name, err)
			}
		}
		// The segment moves past the event while it is waited for.
		waited := make(chan error, 1)
		go func() { waited <- f.Wait(ctx, jumps.Stream("j"), 2) }()
		pass(time.Second)
		b.appendTo(jumps, "j", 1)
		b.append("a", 1)
		if err := <-waited; !errors.Is(err, consume.ErrNotFollowed) {
			b.Errorf("begun before the event: %v", err)
		}
	})
}
