package consume_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func goexit() { runtime.Goexit() }

func TestMembersShareSegmentsAndTakeOverFromEachOther(t *testing.T) {
	inBubble(t, func(b *bench) {
		cfg := b.config()
		cfg.Segments = 5
		stop := [3]func(){}
		for i := range stop {
			stop[i] = b.run(b.follower(cfg))
			pass(10 * time.Second)
		}
		owners := map[string]int{}
		for _, s := range b.consumer().Segments {
			owners[s.Owner]++
		}
		if len(owners) != 3 || owners[""] != 0 {
			b.Errorf("segments by owner: %v", owners)
		}
		for _, n := range owners {
			if n > 2 {
				b.Errorf("segments by owner: %v", owners)
			}
		}
		for i := range 100 {
			b.append(fmt.Sprint(i), 3)
		}
		pass(time.Second)
		stop[0]()
		for i := range 100 {
			b.append(fmt.Sprint(i), 1)
		}
		pass(10 * time.Second)
		stop[1]()
		for i := range 100 {
			b.append(fmt.Sprint(i), 1)
		}
		pass(10 * time.Second)
		for i := range 100 {
			b.want(fmt.Sprint(i), 5)
		}
		for i, s := range b.consumer().Segments {
			if s.Position != 500 {
				b.Errorf("segment %d is at %d", i, s.Position)
			}
		}
	})
}

func TestASegmentOfADeadMemberIsTakenOverAndNothingIsDoubled(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 10)
		stop := b.run(b.follower(b.config()))
		pass(time.Second)
		stop()
		// What a member that was killed leaves behind.
		b.change(func(c *store.Consumer) {
			c.Segments[0].Owner, c.Segments[0].LeaseUntil = "dead", time.Now().Add(20*time.Second)
			c.Members = append(c.Members, store.Member{Name: "dead", Program: "x", Until: time.Now().Add(20 * time.Second)})
		})
		b.append("a", 10)
		b.run(b.follower(b.config()))
		pass(15 * time.Second)
		b.want("a", 10)
		pass(10 * time.Second)
		b.want("a", 20)
		if !strings.Contains(b.log.String(), "ended without giving it back") {
			b.Error("the unclean end is not told")
		}
	})
}

// A member that sleeps past its lease commits nothing when it wakes up.
func TestAMemberThatWasPausedPastItsLeaseCommitsNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		asleep, wake := make(chan struct{}), make(chan struct{})
		first := true
		b.model.setFail(func(_ context.Context, m eventus.Message[bumpEvent]) error {
			if m.Version == 2 && first {
				first = false
				close(asleep)
				<-wake
			}
			return nil
		})
		b.run(b.follower(b.config()))
		<-asleep
		b.change(func(c *store.Consumer) { // another member has claimed the segment meanwhile
			c.Segments[0].Epoch++
			c.Segments[0].Owner = ""
		})
		close(wake)
		pass(time.Minute)
		b.want("a", 3)
		if !strings.Contains(b.log.String(), "another member's now") {
			b.Errorf("log: %s", b.log)
		}
	})
}

func TestAMessageThatEndsTheProcessIsParkedAndOthersFlow(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 5)
		b.append("bad", 2)
		b.append("c", 5)
		restarts := -1
		for len(b.model.of(bumps.Stream("c"))) < 5 {
			if restarts++; restarts > 5 {
				b.Fatalf("not parked after 5 restarts: %+v", b.consumer().Segments)
			}
			// A process that lives for a minute at most.
			process, kill := context.WithTimeout(context.Background(), time.Minute)
			b.model.setFail(func(ctx context.Context, m eventus.Message[bumpEvent]) error {
				if m.Stream.ID == "bad" {
					kill()
					<-ctx.Done() // nothing commits any more, and nothing is given back
				}
				return ctx.Err()
			})
			cfg := b.config()
			cfg.StopTimeout = time.Nanosecond
			if err := consume.Follow("view", mute{b.store, process}, cfg, consume.On(bumps, b.model.handle)).Run(process); err != nil {
				b.Fatal(err)
			}
			kill()
		}
		b.want("a", 5)
		b.want("bad", 0)
		b.want("c", 5)
		if p := b.parked()["bad"]; p.Reason != store.Poison || !strings.Contains(p.Error, "the process has ended 3 times") {
			b.Errorf("after %d restarts parked: %+v", restarts, p)
		}
	})
}

// mute is a store that a process which has ended cannot reach any more.
type mute struct {
	*memory.Store
	process context.Context
}

func (m mute) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	if err := m.process.Err(); err != nil {
		return err
	}
	return m.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return m.process.Err()
	})
}

func TestTheNumberOfSegmentsChangesAtOnePlace(t *testing.T) {
	inBubble(t, func(b *bench) {
		cfg := b.config()
		cfg.Segments = 3
		b.run(b.follower(cfg))
		b.run(b.follower(cfg))
		pass(time.Second)
		total := 0
		for _, n := range []int{1, 7, 2, 5} {
			for i := range 40 {
				b.append(fmt.Sprint(i), 2)
				b.appendTo(jumps, "not followed", i) // the place to meet at can be one of these
			}
			total += 2
			b.ask(store.Request{Action: store.SetSegments, Segments: n, Actor: "me"})
			for i := range 40 {
				b.appendTo(jumps, "not followed", i)
				b.append(fmt.Sprint(i), 1)
			}
			total++
			pass(30 * time.Second)
			if got := len(b.consumer().Segments); got != n {
				b.Errorf("%d segments, want %d", got, n)
			}
			for i := range 40 {
				b.want(fmt.Sprint(i), total)
			}
		}
	})
}

// held is a log with one read that waits, once it is armed.
type held struct {
	store.Log
	armed   atomic.Bool
	release chan struct{}
}

func (h *held) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	if len(r.Categories) > 0 && h.armed.CompareAndSwap(true, false) {
		<-h.release
	}
	return h.Log.ReadStretch(ctx, r)
}

// A segment that began to read before the segments were to meet can pass their
// place. They meet at a later one, and nothing is left out or handled twice.
func TestASegmentThatPassesTheMeetingPlaceIsMetLater(t *testing.T) {
	inBubble(t, func(b *bench) {
		log := &held{Log: b.store, release: make(chan struct{})}
		cfg := b.config()
		cfg.Segments = 2
		b.run(consume.Follow("view", consume.Across(log, b.store), cfg, consume.On(bumps, b.model.handle)))
		grow := func() {
			for i := range 10 {
				b.append(fmt.Sprint(i), 1)
				b.appendTo(jumps, "not followed", 5)
			}
		}
		grow()
		pass(3 * time.Second)
		log.armed.Store(true)
		pass(time.Second)
		grow()
		pass(3 * time.Second) // one segment goes on, the other one reads
		b.ask(store.Request{Action: store.SetSegments, Segments: 3})
		pass(3 * time.Second)
		place := b.consumer().MeetAt
		grow()
		close(log.release)
		pass(30 * time.Second)
		c := b.consumer()
		if len(c.Segments) != 3 || place == 0 {
			b.Errorf("the consumer is %+v; its segments were to meet at %d", c, place)
		}
		for i := range 10 {
			b.want(fmt.Sprint(i), 3)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.follower(b.config())
		b.run(f)
		pass(time.Second)
		b.ask(store.Request{Action: store.Pause})
		pass(3 * time.Second)
		b.append("a", 3)
		pass(time.Hour)
		b.want("a", 0)
		if s, err := f.State(context.Background()); err != nil || s.Status != consume.Paused || s.LagEvents != 3 || s.Lag < 59*time.Minute {
			b.Errorf("state %+v, %v", s, err)
		}
		b.ask(store.Request{Action: store.Resume})
		pass(3 * time.Second)
		b.want("a", 3)
		if s, err := f.State(context.Background()); err != nil || s.Status != consume.Running || !s.AtHead() || s.Lag != 0 {
			b.Errorf("state %+v, %v", s, err)
		}
	})
}

func TestARebuildStartsAtTheBeginning(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 300)
		b.append("bad", 2)
		b.model.setFail(failOn("bad", 1, consume.Permanent(errNever)))
		b.run(b.follower(b.config()))
		b.run(b.follower(b.config()))
		pass(3 * time.Second)
		b.want("bad", 0)
		b.model.setFail(nil)
		b.ask(store.Request{Action: store.Rebuild, Actor: "me"})
		b.append("a", 100)
		pass(30 * time.Second)
		b.want("a", 400)
		b.want("bad", 2)
		if calls := b.model.callsOf(bumps.Stream("a")); calls < 700 {
			b.Errorf("%d calls: the model was not built again", calls)
		}
		if r := b.requests()[0]; r.DoneAt.IsZero() || !strings.Contains(r.Outcome, "emptied") {
			b.Errorf("request %+v", r)
		}
	})
}

func TestARebuildThatCannotBeIsRefused(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		b.run(consume.Follow("view", b.store, b.config(), consume.On(bumps, b.model.handle)))
		pass(3 * time.Second)
		b.ask(store.Request{Action: store.Rebuild})
		pass(3 * time.Second)
		if r := b.requests()[0]; !strings.HasPrefix(r.Outcome, "refused") || !strings.Contains(r.Outcome, "consume.OnReset") {
			b.Errorf("request %+v", r)
		}
		b.append("a", 1)
		pass(3 * time.Second)
		b.want("a", 4)
	})
}

// Whatever is put in place of the log that the consumer has followed: it says so,
// handles nothing, and a rebuild makes it right.
func TestAConsumerOfAnotherLogIsForked(t *testing.T) {
	for name, other := range map[string]func(b, old *bench){
		"the log ends before":    func(b, old *bench) { b.append("a", 2) },
		"another event is there": func(b, old *bench) { b.append("a", 30) },
		"the log is empty":       func(b, old *bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(old *bench) {
				b := newBench(old.T)
				b.names = 1000
				old.append("a", 10)
				stop := old.run(consume.Follow("view", consume.Across(old.store, old.store), old.config(), consume.On(bumps, old.model.handle), consume.OnReset(old.model.reset)))
				pass(time.Second)
				stop()
				other(b, old)
				f := consume.Follow("view", consume.Across(b.store, old.store), old.config(), consume.On(bumps, old.model.handle), consume.OnReset(old.model.reset))
				old.run(f)
				pass(time.Minute)
				old.want("a", 10)
				s, err := f.State(context.Background())
				if err != nil || s.Status != consume.ForkedLog || !strings.Contains(old.log.String(), "level=ERROR msg=\"the consumer is forked") {
					old.Errorf("state %+v, %v; log %s", s, err, old.log)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := f.Wait(ctx, bumps.Stream("a"), 1); err == nil {
					old.Error("Wait says that a forked consumer has come to it")
				}
				old.ask(store.Request{Action: store.Rebuild})
				pass(time.Minute)
				messages, err := b.store.Read(context.Background(), bumps.Stream("a"), 0, 100)
				if err != nil {
					old.Fatal(err)
				}
				old.want("a", len(messages))
			})
		})
	}
}

// The right log is put back: the consumer goes on, and nothing is doubled.
func TestAForkedConsumerGoesOnWhenTheRightLogIsBack(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 10)
		stop := b.run(b.follower(b.config()))
		pass(time.Second)
		stop()
		empty := memory.New()
		stop = b.run(consume.Follow("view", consume.Across(empty, b.store), b.config(), consume.On(bumps, b.model.handle)))
		pass(time.Minute)
		stop()
		b.run(b.follower(b.config()))
		b.append("a", 5)
		pass(time.Minute)
		b.want("a", 10)
		b.ask(store.Request{Action: store.Resume})
		pass(time.Minute)
		b.want("a", 15)
	})
}

func TestAFollowerWithOtherCategoriesIsRefused(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		b.appendTo(jumps, "j", 3)
		stop := b.run(b.follower(b.config()))
		pass(time.Second)
		stop()
		wider := consume.Follow("view", b.store, b.config(), consume.On(bumps, b.model.handle), consume.On(jumps, b.model.handle), consume.OnReset(b.model.reset))
		err := wider.Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), "[bump] and this program reads [bump jump]") || !strings.Contains(err.Error(), "Config.Generation") {
			b.Errorf("got %v", err)
		}
		b.ask(store.Request{Action: store.Rebuild})
		b.run(wider)
		pass(3 * time.Second)
		b.want("a", 3)
		b.wantOf(jumps.Stream("j"), 3)
	})
}

func TestRenameAndRemove(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		old := b.follower(b.config())
		ended := make(chan error, 1)
		go func() { ended <- old.Run(context.Background()) }()
		pass(time.Second)
		b.ask(store.Request{Action: store.Rename, NewName: "other", Actor: "me"})
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "renamed to other") {
			b.Errorf("the old name ends with %v", err)
		}
		if err := b.follower(b.config()).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "renamed to other") {
			b.Errorf("the old name begins with %v", err)
		}
		b.append("a", 1)
		other := consume.Follow("other", b.store, b.config(), consume.On(bumps, b.model.handle))
		go func() { ended <- other.Run(context.Background()) }()
		pass(time.Minute)
		b.want("a", 4)
		if _, err := consume.Ask(context.Background(), b.store, store.Request{Consumer: store.ConsumerID{Name: "other"}, Action: store.Remove}); err != nil {
			b.Fatal(err)
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "removed") {
			b.Errorf("the removed consumer ends with %v", err)
		}
		if _, err := other.State(context.Background()); err == nil {
			b.Error("the removed consumer has a state")
		}
	})
}

func TestGenerationsStandSideBySide(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 3)
		b.run(b.follower(b.config()))
		next := newModel()
		cfg := b.config()
		cfg.Generation = 1
		f := consume.Follow("view", b.store, cfg, consume.On(bumps, next.handle))
		b.run(f)
		pass(time.Second)
		b.want("a", 3)
		if got := next.of(bumps.Stream("a")); len(got) != 3 {
			b.Errorf("the new generation has %v", got)
		}
		if s, err := f.State(context.Background()); err != nil || !s.AtHead() || s.Generation != 1 {
			b.Errorf("state %+v, %v", s, err)
		}
	})
}

func TestRunOfAFollowerIsCalledOnceAtATime(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.follower(b.config())
		b.run(f)
		pass(time.Second)
		if err := f.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "called twice") {
			b.Errorf("got %v", err)
		}
	})
}

func TestWaitReturnsWhenTheModelShowsIt(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.append("a", 1)
		f := b.follower(b.config())
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		id := store.ConsumerID{Name: "view"}
		if err := consume.Wait(ctx, b.store, id, bumps.Stream("a"), 1); !errors.Is(err, store.ErrNoConsumer) {
			b.Errorf("before the first run: %v", err)
		}
		first := make(chan error, 1)
		go func() { first <- f.Wait(ctx, bumps.Stream("a"), 1) }() // the follower makes its consumer
		pass(time.Second)
		b.run(f)
		if err := <-first; err != nil {
			b.Errorf("begun before the first run: %v", err)
		}
		waited := make(chan error, 1)
		go func() { waited <- f.Wait(ctx, bumps.Stream("a"), 3) }()
		b.append("a", 1)
		pass(time.Second)
		select {
		case err := <-waited:
			b.Fatalf("returned at version 2: %v", err)
		default:
		}
		b.append("a", 1)
		if err := <-waited; err != nil {
			b.Error(err)
		}
		b.want("a", 3)
		b.model.setFail(failOn("a", 4, consume.Permanent(errNever)))
		b.append("a", 1)
		if err := consume.Wait(ctx, b.store, id, bumps.Stream("a"), 4); err == nil || !strings.Contains(err.Error(), "poison") {
			b.Errorf("waits for poison: %v", err)
		}
	})
}

func TestLastTurnSaysThatRunGoesOn(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.follower(b.config())
		if !f.LastTurn().IsZero() {
			b.Errorf("before Run: %s", f.LastTurn())
		}
		stop := b.run(f)
		pass(time.Hour)
		if age := time.Since(f.LastTurn()); age > time.Second {
			b.Errorf("Run goes on, and the last turn was %s ago", age)
		}
		stop()
		pass(time.Hour)
		if age := time.Since(f.LastTurn()); age < time.Hour {
			b.Errorf("Run has ended, and the last turn was %s ago", age)
		}
	})
}
