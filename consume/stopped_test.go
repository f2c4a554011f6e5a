package consume_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

// segmentOwners returns who works on the segments of a consumer.
func segmentOwners(t testing.TB, r rig, name string) []string {
	t.Helper()
	var owners []string
	for _, s := range consumerOf(t, r, name).Segments {
		owners = append(owners, s.Owner)
	}
	return owners
}

// awaitShares waits until members own all segments of the consumer "view".
func awaitShares(t testing.TB, r rig, members int) {
	t.Helper()
	await(t, fmt.Sprintf("%d members own the segments", members), func() bool {
		owners := segmentOwners(t, r, "view")
		free := slices.Contains(owners, "")
		slices.Sort(owners)
		return len(owners) > 0 && !free && len(slices.Compact(owners)) == members
	})
}

// streamWith returns the id of a stream that falls to a segment which the owner of
// another stream's segment works on, or does not work on.
func streamWith(t testing.TB, r rig, id string, sameOwner bool) string {
	t.Helper()
	owners := segmentOwners(t, r, "view")
	want := owners[segmentOf(id, len(owners))]
	for i := range 10_000 {
		other := fmt.Sprint("o", i)
		if other != id && (owners[segmentOf(other, len(owners))] == want) == sameOwner {
			return other
		}
	}
	t.Fatal("no stream of such a segment")
	return ""
}

// TestAMemberStoppedInATransactionHoldsNobodyUp stops one of three processes by
// SIGSTOP while its handler has written and not committed.
func TestAMemberStoppedInATransactionHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	r := onPool(t, pool)
	m := member{Postgres: pool.Config().ConnString(), Consumer: "view", Segments: 6, Batch: 16, Lease: 2 * time.Second, StopAt: "pause"}
	members := []*process{startMember(t, m), startMember(t, m), startMember(t, m)}
	awaitShares(t, r, 3)
	same, other := streamWith(t, r, "pause", true), streamWith(t, r, "pause", false)
	add(t, r, same, 3)
	awaitExact(t, r, "view", r)
	add(t, r, "pause", 1)
	stopped := whoSays(t, members, "inside")
	stopped.signal(syscall.SIGSTOP)
	for _, id := range []string{same, other, "x", "y", "z"} {
		add(t, r, id, 20)
	}
	// Another process takes the segment over and comes to the same message: the
	// row that the stopped one has written must not hold it up without limit.
	var rest []*process
	for _, p := range members {
		if p != stopped {
			rest = append(rest, p)
		}
	}
	next := whoSays(t, rest, "inside")
	next.goOn()
	awaitExact(t, r, "view", r)
	awaitShares(t, r, 2)

	stopped.goOn()
	stopped.signal(syscall.SIGCONT) // its handler returns, and its transaction is void
	awaitShares(t, r, 3)
	for _, id := range []string{same, other, "x", "y", "z"} {
		add(t, r, id, 20)
	}
	awaitExact(t, r, "view", r)
	if parked := parkedOf(t, r, "view"); len(parked) > 0 {
		t.Errorf("parked: %+v", parked)
	}
}

// whoSays returns the first of the processes that says what.
func whoSays(t testing.TB, processes []*process, what string) *process {
	t.Helper()
	var who *process
	await(t, "a process says "+what, func() bool {
		for _, p := range processes {
			select {
			case line := <-p.lines:
				if line == what {
					who = p
					return true
				}
			default:
			}
		}
		return false
	})
	return who
}

// TestAMemberStoppedBetweenTransactionsHoldsNobodyUp stops one of three
// processes while it waits for something to do.
func TestAMemberStoppedBetweenTransactionsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, r rig, at member) {
		at.Consumer, at.Segments, at.Batch, at.Lease = "view", 6, 16, 2*time.Second
		members := []*process{startMember(t, at), startMember(t, at), startMember(t, at)}
		awaitShares(t, r, 3)
		for i := range 12 {
			add(t, r, fmt.Sprint("s", i), 3)
		}
		awaitExact(t, r, "view", r)
		for _, stopped := range members {
			stopBetween(t, r, stopped)
			for i := range 12 {
				add(t, r, fmt.Sprint("s", i), 3)
			}
			awaitExact(t, r, "view", r)
			stopped.signal(syscall.SIGCONT)
			for i := range 12 {
				add(t, r, fmt.Sprint("s", i), 3)
			}
			awaitShares(t, r, 3)
			awaitExact(t, r, "view", r)
		}
	})
}

// stopBetween stops a process by SIGSTOP, on SQLite while it is not writing: there
// a process that is stopped in a transaction holds the lock of the file.
func stopBetween(t testing.TB, r rig, p *process) {
	t.Helper()
	b, ok := r.(*bed[*sql.Tx])
	if !ok {
		p.signal(syscall.SIGSTOP)
		return
	}
	err := b.InTx(t.Context(), func(context.Context, *sql.Tx) error { // has that lock
		p.signal(syscall.SIGSTOP)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// onEachServer runs a test on each database that several processes share.
func onEachServer(t *testing.T, test func(t *testing.T, r rig, at member)) {
	t.Helper()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		test(t, onPool(t, pool), member{Postgres: pool.Config().ConnString()})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := t.TempDir() + "/store.db"
		test(t, onFile(t, path), member{SQLite: path})
	})
}

// TestAMemberThatHangsHoldsNobodyUp has a handler that never returns, in one of
// three processes and whoever comes after it.
func TestAMemberThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, r rig, at member) {
		at.Consumer, at.Segments, at.Batch, at.Lease, at.HangAt = "view", 3, 16, time.Second, "hang"
		var members []*process
		for range 3 {
			members = append(members, startMember(t, at))
		}
		awaitShares(t, r, 3)
		add(t, r, "hang", 1)
		for i := range 12 {
			add(t, r, fmt.Sprint("s", i), 3)
		}
		await(t, "others flow, and the stream that hangs is parked", func() bool {
			effects, err := r.effects(context.Background(), "view")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 12 {
				if len(effects[bumps.Stream(fmt.Sprint("s", i))]) != 3 {
					return false
				}
			}
			return parkedOf(t, r, "view")["hang"].Reason == store.Poison
		})
		for _, p := range members {
			p.kill()
		}
		at.HangAt = "" // the program is mended
		startMember(t, at)
		ask(t, r, "view", store.Request{Action: store.Redrive})
		awaitExact(t, r, "view", r)
	})
}

// TestAMemberThatWakesUpAfterItsLeaseCommitsNothing holds a member between the
// read of a page and its transaction until another has handled the page.
func TestAMemberThatWakesUpAfterItsLeaseCommitsNothing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, r rig) {
		asleep, wake := make(chan struct{}), make(chan struct{})
		var armed atomic.Bool
		stopFirst := start(t, r.follower("view", r, quick(), program{betweenTransactions: func(ctx context.Context) error {
			// Only transactions of segments have a deadline.
			if _, ok := ctx.Deadline(); ok && armed.CompareAndSwap(true, false) {
				close(asleep)
				<-wake
			}
			return nil
		}}))
		add(t, r, "a", 1)
		awaitExact(t, r, "view", r)
		armed.Store(true)
		add(t, r, "a", 5)
		<-asleep
		stopSecond := start(t, r.follower("view", r, quick(), program{}))
		awaitExact(t, r, "view", r)
		close(wake)
		add(t, r, "a", 5)
		awaitExact(t, r, "view", r)
		stopSecond()
		add(t, r, "a", 5)
		awaitExact(t, r, "view", r)
		stopFirst()
	})
}
