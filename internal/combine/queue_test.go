package combine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/store"
)

var (
	errRefused = errors.New("refused")
	errFull    = errors.New("full") // whatever is written
	errLost    = errors.New("lost")
)

// table is a database: it checks and keeps events as a backend's statement does.
type table struct {
	mu      sync.Mutex
	streams map[store.Stream][]string // ids of events
	writes  [][]string                // streams of the groups of each write
	locked  map[store.Stream]bool     // by a transaction of somebody else
	bad     string                    // the id of an event that is refused
	single  bool                      // its queue makes one write at a time
	// before runs before a write takes effect.
	before func(ctx context.Context, n int) error
	// after decides on what the client sees of a write that has taken effect.
	after func(n int) error
}

func newTable() *table {
	return &table{streams: make(map[store.Stream][]string), locked: make(map[store.Stream]bool)}
}

func (t *table) queue() *Queue {
	writes := 4
	if t.single {
		writes = 1
	}
	return New(Config{
		MaxStreams: 4, MaxEvents: 10, MaxBytes: 1000, MaxWrites: writes, Timeout: 30 * time.Second, Patience: 100 * time.Millisecond,
		MaxWait: 10 * time.Second, Write: t.write,
		Refused: func(err error) bool { return errors.Is(err, errRefused) || errors.Is(err, errFull) },
		Divide:  func(err error) bool { return errors.Is(err, errRefused) },
	})
}

func (t *table) write(ctx context.Context, groups []*Group) error {
	t.mu.Lock()
	var names []string
	for _, g := range groups {
		names = append(names, fmt.Sprint(g.Stream.ID, " ", len(g.Events)))
	}
	t.writes = append(t.writes, names)
	n := len(t.writes)
	t.mu.Unlock()
	if t.before != nil {
		if err := t.before(ctx, n); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range groups {
		for _, e := range g.Events {
			if e.ID == t.bad {
				return errRefused
			}
		}
	}
	for _, g := range groups {
		have := t.streams[g.Stream]
		switch {
		case t.locked[g.Stream]:
			g.Busy()
		case g.Expected.EventID != "" && int(g.Expected.Version) == len(have) && have[len(have)-1] != g.Expected.EventID:
			g.Forked()
		case g.Expected == store.Any || int(g.Expected.Version) == len(have):
			g.Found(int64(len(have)))
			for _, e := range g.Events {
				have = append(have, e.ID)
			}
			t.streams[g.Stream] = have
		case repeats(have, g):
			g.Found(g.Expected.Version)
		default:
			g.Found(int64(len(have)))
		}
	}
	if t.after != nil {
		return t.after(n)
	}
	return nil
}

func repeats(have []string, g *Group) bool {
	end := int(g.Expected.Version) + len(g.Events)
	return end <= len(have) && have[g.Expected.Version] == g.Events[0].ID && have[end-1] == g.Events[len(g.Events)-1].ID
}

func (t *table) lock(id string, locked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.locked[stream(id)] = locked
}

func stream(id string) store.Stream { return store.Stream{Category: "c", ID: id} }

func eventsOf(ids ...string) []store.Event {
	var events []store.Event
	for _, id := range ids {
		events = append(events, store.Event{ID: id})
	}
	return events
}

type result struct {
	version int64
	err     error
}

// start starts an append, and returns when it waits.
func start(ctx context.Context, q *Queue, id string, expected store.Expected, ids ...string) <-chan result {
	ch := make(chan result, 1)
	go func() {
		version, err := q.Append(ctx, stream(id), expected, eventsOf(ids...))
		ch <- result{version, err}
	}()
	synctest.Wait()
	return ch
}

// gate holds writes back until it is opened. The context of a write ends its wait.
type gate chan struct{}

func (g gate) wait(ctx context.Context) error {
	select {
	case <-g:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstWaits returns a table whose first write waits at the gate.
func firstWaits() (*table, gate) {
	t, g := newTable(), make(gate)
	t.before = func(ctx context.Context, n int) error {
		if n == 1 {
			return g.wait(ctx)
		}
		return nil
	}
	return t, g
}

func (t *table) mustWrite(tt *testing.T, want ...[]string) {
	tt.Helper()
	if !slices.EqualFunc(t.writes, want, slices.Equal) {
		tt.Errorf("writes: %v, want %v", t.writes, want)
	}
}

func mustBeEmpty(t *testing.T, q *Queue) {
	t.Helper()
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lanes) != 0 || len(q.writes) != 0 || q.events != 0 || q.bytes != 0 {
		t.Errorf("left: %d lanes, %d writes, %d events, %d bytes", len(q.lanes), len(q.writes), q.events, q.bytes)
	}
}

func mustStore(t *testing.T, r result, version int64) {
	t.Helper()
	if r.err != nil || r.version != version {
		t.Errorf("version %d, error %v, want version %d", r.version, r.err, version)
	}
}

func mustLose(t *testing.T, r result, actual int64) {
	t.Helper()
	var conflict *store.ConflictError
	if !errors.As(r.err, &conflict) || conflict.Actual != actual {
		t.Errorf("version %d, error %v, want a conflict at %d", r.version, r.err, actual)
	}
}

func TestAppendsThatComeMeanwhileAreOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		table.single = true
		q := table.queue()
		first := start(t.Context(), q, "a", store.At(0), "1")
		b, c := start(t.Context(), q, "b", store.At(0), "2"), start(t.Context(), q, "c", store.Any, "3", "4")
		close(gate)
		mustStore(t, <-first, 1)
		mustStore(t, <-b, 1)
		mustStore(t, <-c, 2)
		table.mustWrite(t, []string{"a 1"}, []string{"b 1", "c 2"})
		mustBeEmpty(t, q)
	})
}

func TestAppendsToOneStreamThatFollowEachOtherAreOneGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		q := table.queue()
		first := start(t.Context(), q, "a", store.At(0), "1")
		second, third, fourth := start(t.Context(), q, "a", store.At(1), "2"), start(t.Context(), q, "a", store.At(2), "3", "4"), start(t.Context(), q, "a", store.Any, "5")
		close(gate)
		for i, ch := range []<-chan result{first, second, third, fourth} {
			mustStore(t, <-ch, []int64{1, 2, 4, 5}[i])
		}
		table.mustWrite(t, []string{"a 1"}, []string{"a 4"})
	})
}

// A hundred who expect the same version are one write, whoever wins.
func TestThoseWhoHaveLostAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		q := table.queue()
		first := start(t.Context(), q, "a", store.At(0), "1")
		var losers []<-chan result
		for i := range 100 {
			losers = append(losers, start(t.Context(), q, "a", store.At(0), fmt.Sprint("x", i)))
		}
		close(gate)
		mustStore(t, <-first, 1)
		for _, ch := range losers {
			mustLose(t, <-ch, 1)
		}
		table.mustWrite(t, []string{"a 1"})
	})
}

// The same append comes again while its first try is under way.
func TestARepetitionIsNoLoser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		q := table.queue()
		first, again := start(t.Context(), q, "a", store.At(0), "1"), start(t.Context(), q, "a", store.At(0), "1")
		close(gate)
		mustStore(t, <-first, 1)
		mustStore(t, <-again, 1)
		if have := table.streams[stream("a")]; len(have) != 1 {
			t.Errorf("stored: %v", have)
		}
	})
}

// In a group that cannot be written as one, each append gets its own answer.
func TestAGroupThatLosesIsTakenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		table.streams[stream("a")] = []string{"1", "2", "3"}
		table.single = true
		q := table.queue()
		blocker := start(t.Context(), q, "z", store.At(0), "z")
		repeated, lost, any := start(t.Context(), q, "a", store.At(1), "2"), start(t.Context(), q, "a", store.At(2), "x"), start(t.Context(), q, "a", store.Any, "4")
		close(gate)
		mustStore(t, <-blocker, 1)
		mustStore(t, <-repeated, 2)
		mustLose(t, <-lost, 3)
		mustStore(t, <-any, 4)
	})
}

func TestABusyStreamHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		q := table.queue()
		table.lock("a", true)
		busy := []<-chan result{start(t.Context(), q, "a", store.At(0), "1"), start(t.Context(), q, "a", store.At(0), "x"), start(t.Context(), q, "a", store.Any, "2")}
		for i := range 50 {
			mustStore(t, <-start(t.Context(), q, fmt.Sprint("free ", i), store.At(0), "1"), 1)
		}
		time.Sleep(time.Second)
		table.lock("a", false)
		mustStore(t, <-busy[0], 1)
		mustLose(t, <-busy[1], 1)
		mustStore(t, <-busy[2], 2)
	})
}

func TestAStreamThatStaysBusyIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		q := table.queue()
		table.lock("a", true)
		began := time.Now()
		ch := start(t.Context(), q, "a", store.At(0), "1")
		var busy *store.BusyError
		if r := <-ch; !errors.As(r.err, &busy) || !errors.Is(r.err, store.ErrBusy) || time.Since(began) > 11*time.Second {
			t.Errorf("got %+v after %v", r, time.Since(began))
		}
		table.lock("a", false)
		mustStore(t, <-start(t.Context(), q, "a", store.At(0), "1"), 1)
	})
}

func TestWhoLeavesABusyStreamWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		q := table.queue()
		table.lock("a", true)
		ctx, cancel := context.WithCancel(t.Context())
		ch := start(ctx, q, "a", store.At(0), "1")
		time.Sleep(time.Second)
		cancel()
		if r := <-ch; !errors.Is(r.err, context.Canceled) || errors.Is(r.err, store.ErrOutcomeUnknown) {
			t.Errorf("got %+v", r)
		}
		table.lock("a", false)
		time.Sleep(time.Second)
		mustBeEmpty(t, q)
		if len(table.streams) != 0 {
			t.Errorf("stored: %v", table.streams)
		}
	})
}

func TestTheOneToBlameIsRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		table.bad = "bad"
		table.single = true
		q := table.queue()
		blocker := start(t.Context(), q, "z", store.At(0), "z")
		good := []<-chan result{start(t.Context(), q, "a", store.At(0), "1"), start(t.Context(), q, "b", store.At(0), "2"), start(t.Context(), q, "c", store.At(0), "3"), start(t.Context(), q, "c", store.Any, "5")}
		bad := start(t.Context(), q, "c", store.At(1), "bad")
		close(gate)
		<-blocker
		for i, ch := range good {
			mustStore(t, <-ch, []int64{1, 1, 1, 2}[i])
		}
		if r := <-bad; r.err == nil || errors.Is(r.err, store.ErrOutcomeUnknown) {
			t.Errorf("the bad one: %+v", r)
		}
	})
}

func TestARefusalOfAllIsNotDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := newTable(), make(gate)
		table.before = func(ctx context.Context, n int) error {
			if n == 2 {
				return errFull
			}
			return gate.wait(ctx)
		}
		table.single = true
		q := table.queue()
		first := start(t.Context(), q, "z", store.At(0), "z")
		all := []<-chan result{start(t.Context(), q, "a", store.At(0), "1"), start(t.Context(), q, "a", store.At(1), "2"), start(t.Context(), q, "b", store.At(0), "3")}
		close(gate)
		<-first
		for _, ch := range all {
			if r := <-ch; !errors.Is(r.err, errFull) || errors.Is(r.err, store.ErrOutcomeUnknown) {
				t.Errorf("got %+v", r)
			}
		}
		table.mustWrite(t, []string{"z 1"}, []string{"a 2", "b 1"})
	})
}

func TestALostWriteHasAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		table.after = func(n int) error {
			if n == 1 {
				return errLost
			}
			return nil
		}
		q := table.queue()
		if r := <-start(t.Context(), q, "a", store.At(0), "1"); !errors.Is(r.err, store.ErrOutcomeUnknown) || !errors.Is(r.err, errLost) {
			t.Errorf("got %+v", r)
		}
		mustStore(t, <-start(t.Context(), q, "a", store.At(0), "1"), 1) // it was stored
		mustStore(t, <-start(t.Context(), q, "a", store.At(1), "2"), 2)
	})
}

func TestTheEndOfAContext(t *testing.T) {
	t.Run("before the write: nothing is written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			table, gate := firstWaits()
			table.single = true
			q := table.queue()
			first := start(t.Context(), q, "a", store.At(0), "1")
			ctx, cancel := context.WithCancel(t.Context())
			left := []<-chan result{start(ctx, q, "b", store.At(0), "1"), start(ctx, q, "a", store.At(1), "2")}
			cancel()
			for _, ch := range left {
				if r := <-ch; r.err != context.Canceled {
					t.Errorf("got %+v", r)
				}
			}
			close(gate)
			mustStore(t, <-first, 1)
			synctest.Wait()
			table.mustWrite(t, []string{"a 1"})
			mustBeEmpty(t, q)
		})
	})
	for name, fellow := range map[string]bool{"in a write of its own": false, "in a write with others": true} {
		t.Run(name+": it waits for the outcome", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table, gate := newTable(), make(gate)
				table.before = func(ctx context.Context, n int) error {
					if n == 2 {
						return gate.wait(ctx)
					}
					time.Sleep(time.Millisecond)
					return nil
				}
				table.single = true
				q := table.queue()
				first := start(t.Context(), q, "z", store.At(0), "z")
				ctx, cancel := context.WithCancel(t.Context())
				own := start(ctx, q, "a", store.At(0), "1")
				if fellow {
					start(t.Context(), q, "b", store.At(0), "1")
				}
				<-first
				synctest.Wait()
				cancel()
				time.Sleep(grace / 2)
				close(gate)
				mustStore(t, <-own, 1)
			})
		})
		t.Run(name+": the outcome is unknown in the end", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table, gate := firstWaits()
				table.single = true
				q := table.queue()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				own := start(ctx, q, "a", store.At(0), "1")
				if fellow {
					start(t.Context(), q, "b", store.At(0), "1")
				}
				cancel()
				began := time.Now()
				if r := <-own; !errors.Is(r.err, store.ErrOutcomeUnknown) || !errors.Is(r.err, context.Canceled) {
					t.Errorf("got %+v", r)
				}
				if time.Since(began) != grace {
					t.Errorf("it waited %v", time.Since(began))
				}
				close(gate)
			})
		})
	}
}

// allWait returns a table whose writes all wait at the gate.
func allWait() (*table, gate) {
	t, g := newTable(), make(gate)
	t.before = func(ctx context.Context, _ int) error { return g.wait(ctx) }
	return t, g
}

func TestAFurtherWriteStartsWhenHalfOfAllWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := allWait()
		q := table.queue()
		var all []<-chan result
		for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			all = append(all, start(t.Context(), q, id, store.NoStream, "1"))
		}
		table.mustWrite(t, []string{"a 1"}, []string{"b 1"}, []string{"c 1", "d 1"})
		close(gate)
		for _, ch := range all {
			mustStore(t, <-ch, 1)
		}
		table.mustWrite(t, []string{"a 1"}, []string{"b 1"}, []string{"c 1", "d 1"}, []string{"e 1", "f 1", "g 1"})
		mustBeEmpty(t, q)
	})
}

// A few that come back first from a write of many wait for the others, until many
// have not come for a while.
func TestAFurtherWriteIsOfHalfOfTheCrowd(t *testing.T) {
	q := newTable().queue()
	small := []*write{{streams: 1}}
	q.crowd, q.writes, q.ready = 8, small, make([]*lane, 3)
	if q.begin() != nil {
		t.Error("a write of three starts beside another, of a crowd of eight")
	}
	q.ready = make([]*lane, 1)
	for range 8 {
		if q.writes = nil; q.begin() == nil {
			t.Error("no write starts though none is under way")
		}
	}
	if q.writes = small; q.begin() == nil {
		t.Error("no second write starts, of two writers")
	}
}

func TestAFullWriteStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := allWait()
		q := table.queue()
		var all []<-chan result
		for _, id := range []string{"a", "b", "c", "d"} {
			all = append(all, start(t.Context(), q, id, store.NoStream, "1"))
		}
		full := start(t.Context(), q, "e", store.NoStream, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		table.mustWrite(t, []string{"a 1"}, []string{"b 1"}, []string{"c 1", "d 1"}, []string{"e 10"})
		close(gate)
		for _, ch := range all {
			mustStore(t, <-ch, 1)
		}
		mustStore(t, <-full, 10)
	})
}

// Connections that have died do not hold up what comes after.
func TestWritesThatHangHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		table.before = func(ctx context.Context, n int) error {
			if n <= 2 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		q := table.queue()
		dead := []<-chan result{start(t.Context(), q, "dead 1", store.At(0), "1"), start(t.Context(), q, "dead 2", store.At(0), "1")}
		time.Sleep(time.Second)
		began := time.Now()
		for i := range 20 {
			mustStore(t, <-start(t.Context(), q, fmt.Sprint("free ", i), store.At(0), "1"), 1)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("others waited %v", waited)
		}
		for _, ch := range dead {
			if r := <-ch; !errors.Is(r.err, store.ErrOutcomeUnknown) {
				t.Errorf("got %+v", r)
			}
		}
		mustBeEmpty(t, q)
	})
}

// What comes while the right to write is waited for is part of the same write.
func TestGroupsAreChosenWhenTheTurnHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, turn := newTable(), make(chan struct{}, 1)
		q := table.queue()
		q.cfg.Enter = func(ctx context.Context) (func(), error) {
			select {
			case turn <- struct{}{}:
				return func() { <-turn }, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		turn <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		gone := start(ctx, q, "a", store.At(0), "x")
		left := []<-chan result{start(t.Context(), q, "a", store.At(0), "1"), start(t.Context(), q, "b", store.At(0), "1")}
		cancel()
		if r := <-gone; r.err != context.Canceled {
			t.Errorf("got %+v", r)
		}
		synctest.Wait()
		<-turn
		for _, ch := range left {
			mustStore(t, <-ch, 1)
		}
		table.mustWrite(t, []string{"a 1", "b 1"})
	})
}

func TestAnAppendMayBeLargerThanTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		q := table.queue()
		first := start(t.Context(), q, "z", store.At(0), "z")
		large := store.Event{ID: "large", Data: make([]byte, 5000)}
		sent := make(chan result, 1)
		go func() {
			version, err := q.Append(t.Context(), stream("a"), store.At(0), []store.Event{large})
			sent <- result{version, err}
		}()
		synctest.Wait()
		small := start(t.Context(), q, "b", store.At(0), "1")
		close(gate)
		<-first
		mustStore(t, <-sent, 1)
		mustStore(t, <-small, 1)
		table.mustWrite(t, []string{"z 1"}, []string{"a 1"}, []string{"b 1"})
	})
}

// TestRandomCallers has many callers append to few streams of a table that is slow,
// locked, refuses and loses connections. Each append that is acknowledged is stored
// once, at its version; each that is refused is not stored.
func TestRandomCallers(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			table := newTable()
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 0))
			draw := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			table.before = func(ctx context.Context, _ int) error {
				select {
				case <-time.After(time.Duration(draw(3000)) * time.Microsecond):
				case <-ctx.Done():
				}
				switch draw(20) {
				case 0:
					return errRefused
				case 1:
					return errLost
				}
				return nil
			}
			table.after = func(int) error {
				if draw(20) == 0 {
					return errLost
				}
				return nil
			}
			q := table.queue()
			var callers sync.WaitGroup
			for caller := range 40 {
				callers.Go(func() {
					for i := range 30 {
						id, ids := fmt.Sprint(draw(4)), []string{fmt.Sprint(caller, " ", i, " a"), fmt.Sprint(caller, " ", i, " b")}[:1+draw(2)]
						table.mu.Lock()
						have := table.streams[stream(id)]
						have = have[:max(0, len(have)-draw(2))]
						expected := store.At(int64(len(have)))
						if n := len(have); n > 0 && draw(2) == 0 {
							expected = store.After(expected.Version, have[n-1])
						}
						table.mu.Unlock()
						if draw(3) == 0 {
							expected = store.Any
						}
						ctx, cancel := context.WithCancel(t.Context())
						if draw(10) == 0 {
							time.AfterFunc(time.Duration(draw(5000))*time.Microsecond, cancel)
						}
						version, err := q.Append(ctx, stream(id), expected, eventsOf(ids...))
						for unknown := false; expected != store.Any && (errors.Is(err, store.ErrOutcomeUnknown) || unknown && errors.Is(err, errRefused)); {
							unknown = true
							version, err = q.Append(t.Context(), stream(id), expected, eventsOf(ids...))
						}
						cancel()
						table.mu.Lock()
						at := slices.Index(table.streams[stream(id)], ids[0])
						table.mu.Unlock()
						switch {
						case errors.Is(err, store.ErrOutcomeUnknown):
						case err != nil && at >= 0:
							t.Errorf("append %v: %v, and it is stored", ids, err)
						case err == nil && at+len(ids) != int(version):
							t.Errorf("append %v: version %d, and it is stored at %d", ids, version, at)
						}
						if draw(10) == 0 {
							table.lock(id, true)
							time.AfterFunc(time.Duration(draw(30))*time.Millisecond, func() { table.lock(id, false) })
						}
					}
				})
			}
			callers.Wait()
			time.Sleep(time.Minute)
			for s, ids := range table.streams {
				if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != len(ids) {
					t.Errorf("%s has an event twice: %v", s.ID, ids)
				}
			}
			mustBeEmpty(t, q)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// A caller that has gone may change its events, whatever becomes of the write.
func TestACallerThatHasGoneOwnsItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := newTable(), make(gate)
		table.before = func(ctx context.Context, n int) error {
			if n == 1 {
				return gate.wait(ctx)
			}
			time.Sleep(2 * grace)
			return nil
		}
		table.single = true
		q := table.queue()
		start(t.Context(), q, "z", store.At(0), "z")
		gone := make([]chan error, 3)
		ctx, cancel := context.WithCancel(t.Context())
		events := make([][]store.Event, len(gone))
		for i := range gone {
			gone[i], events[i] = make(chan error, 1), eventsOf(fmt.Sprint("a", i))
			go func() {
				_, err := q.Append(ctx, stream(fmt.Sprint("a", i)), store.NoStream, events[i])
				gone[i] <- err
			}()
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		cancel()
		for i := range gone {
			if err := <-gone[i]; !errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("append %d: got error %v", i, err)
			}
			events[i][0].ID = "changed"
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		table.mu.Lock()
		defer table.mu.Unlock()
		for i := range gone {
			id := fmt.Sprint("a", i)
			if have := table.streams[stream(id)]; !slices.Equal(have, []string{id}) {
				t.Errorf("stored: %v, want %s", have, id)
			}
		}
	})
}

func TestAnErrorSaysHowTheContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, gate := firstWaits()
		defer close(gate)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r := <-start(ctx, table.queue(), "a", store.At(0), "1"); !errors.Is(r.err, context.DeadlineExceeded) || !errors.Is(r.err, store.ErrOutcomeUnknown) {
			t.Errorf("got %+v", r)
		}
	})
}
