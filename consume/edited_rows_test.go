package consume_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// TestAPositionEditedByHandIsForked edits the row of a segment, while a follower
// runs and while none does. The consumer says that it is forked, handles nothing
// more, and a rebuild makes it right. A follower that runs knows the event id, and
// mends a row that has another at the right position.
func TestAPositionEditedByHandIsForked(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]string{
		"forward":           "position = position + 3",
		"beyond the end":    "position = position + 1000",
		"back":              "position = position - 3",
		"another event id":  "event_id = 'another'",
		"another, far back": "position = 1, event_id = 'another'",
	} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, running %v", name, running), func(t *testing.T) {
				t.Parallel()
				eachDatabase(t, func(t *testing.T, r rig) {
					stop := start(t, r.follower("view", r, quick(), program{}))
					add(t, r, "a", 6)
					add(t, r, "b", 6)
					awaitExact(t, r, "view", r)
					if !running {
						stop()
						add(t, r, "a", 6)
					}
					if err := r.exec(t.Context(), "UPDATE consumer_segments SET "+edit); err != nil {
						t.Fatal(err)
					}
					if !running {
						start(t, r.follower("view", r, quick(), program{}))
					}
					add(t, r, "b", 6)
					if running && name == "another event id" {
						awaitExact(t, r, "view", r)
						return
					}
					await(t, "the consumer is forked", func() bool { return consumerOf(t, r, "view").Segments[0].Forked != "" })
					ask(t, r, "view", store.Request{Action: store.Rebuild})
					awaitExact(t, r, "view", r)
				})
			})
		}
	}
}

// TestAPositionBelowZeroIsForked has a position that no log has.
func TestAPositionBelowZeroIsForked(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		stop := start(t, r.follower("view", r, quick(), program{}))
		add(t, r, "a", 6)
		awaitExact(t, r, "view", r)
		stop()
		for _, position := range []int{0, -1} {
			if err := r.exec(t.Context(), fmt.Sprintf("UPDATE consumer_segments SET position = %d", position)); err != nil {
				t.Fatal(err)
			}
			stop := start(t, r.follower("view", r, quick(), program{}))
			await(t, "the consumer is forked", func() bool { return consumerOf(t, r, "view").Segments[0].Forked != "" })
			ask(t, r, "view", store.Request{Action: store.Rebuild})
			awaitExact(t, r, "view", r)
			stop()
		}
	})
}

// TestTwoFollowersOfOneNameWithOtherCategories starts a second program, which
// reads more, beside the first.
func TestTwoFollowersOfOneNameWithOtherCategories(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		start(t, r.follower("view", r, quick(), program{}))
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
		err := r.follower("view", r, quick(), program{jumps: true}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "[bump]") || !strings.Contains(err.Error(), "[bump jump]") || !strings.Contains(err.Error(), "Config.Generation") {
			t.Errorf("got %v", err)
		}
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r) // the first goes on
	})
}

// TestMembersThatDisagreeOnTheNumberOfSegments share those that there are.
func TestMembersThatDisagreeOnTheNumberOfSegments(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		for _, segments := range []int{3, 7, 1} {
			cfg := quick()
			cfg.Segments = segments
			start(t, r.follower("view", r, cfg, program{}))
			await(t, "the consumer is there", func() bool { return len(consumerOf(t, r, "view").Segments) > 0 })
		}
		awaitShares(t, r, 3)
		for i := range 30 {
			add(t, r, fmt.Sprint("s", i), 2)
		}
		awaitExact(t, r, "view", r)
		if n := len(consumerOf(t, r, "view").Segments); n != 3 {
			t.Errorf("%d segments, want the 3 of the first member", n)
		}
	})
}

// TestOddNamesOfConsumers has names that run into each other when they are
// joined with something, and the longest.
func TestOddNamesOfConsumers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		names := []string{"orders", "orders-eu", "Orders", "orders_eu", "0", "-", "_", strings.Repeat("n", 128), strings.Repeat("n", 127) + "m"}
		for _, name := range names {
			start(t, r.follower(name, r, quick(), program{}))
		}
		add(t, r, "a", 3)
		for _, name := range names {
			awaitExact(t, r, name, r)
		}
		all, _, err := r.ListConsumers(context.Background())
		if err != nil || len(all) != len(names) {
			t.Errorf("%d consumers, error %v, want %d", len(all), err, len(names))
		}
	})
}

// TestAClockSetBack has the leases that a member leaves behind which was killed
// before the database's clock was set back by a day. Nobody waits for a day.
func TestAClockSetBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r rig) {
		cfg := quick()
		cfg.Segments = 2
		stop := start(t, r.follower("view", r, cfg, program{}))
		add(t, r, "a", 3)
		awaitExact(t, r, "view", r)
		stop()
		setAside(t, r, 24*time.Hour)
		start(t, r.follower("view", r, cfg, program{}))
		start(t, r.follower("view", r, cfg, program{}))
		add(t, r, "a", 3)
		add(t, r, "b", 3)
		awaitExact(t, r, "view", r)
		awaitShares(t, r, 2)
		// The same for members that live.
		lateLeases(t, r, 24*time.Hour)
		add(t, r, "a", 3)
		add(t, r, "b", 3)
		awaitExact(t, r, "view", r)
		await(t, "all leases are of this day", func() bool {
			c := consumerOf(t, r, "view")
			late := time.Now().Add(time.Hour)
			return !slices.ContainsFunc(c.Segments, func(s store.Segment) bool { return s.LeaseUntil.After(late) }) &&
				!slices.ContainsFunc(c.Members, func(m store.Member) bool { return m.Until.After(late) })
		})
		awaitShares(t, r, 2)
	})
}

// lateLeases makes all leases end later.
func lateLeases(t testing.TB, r rig, late time.Duration) {
	t.Helper()
	until := fmt.Sprintf("clock_timestamp() + interval '%d seconds'", int(late.Seconds()))
	if isSQLite(r) {
		until = fmt.Sprint(time.Now().Add(late).UnixMicro())
	}
	for _, statement := range []string{"UPDATE consumer_segments SET lease_until = " + until, "UPDATE consumer_members SET until = " + until} {
		if err := r.exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// setAside lets a dead member own all segments, with leases that end late.
func setAside(t testing.TB, r rig, late time.Duration) {
	t.Helper()
	member := "INSERT INTO consumer_members (consumer, generation, name, program, until) VALUES ('view', 0, 'dead', 'dead', now())"
	if isSQLite(r) {
		member = "INSERT INTO consumer_members (name, generation, member, program, until) VALUES ('view', 0, 'dead', 'dead', 0)"
	}
	for _, statement := range []string{"UPDATE consumer_segments SET owner = 'dead'", member} {
		if err := r.exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	lateLeases(t, r, late)
}
