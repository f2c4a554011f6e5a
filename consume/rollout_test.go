package consume_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/google/uuid"
)

// The release before does not know the type bumped.next.
var (
	releaseBefore = eventus.Define("bump", eventus.New[bump], eventus.Type[bumped]("bumped"))
	releaseNext   = eventus.Define("bump", eventus.New[bump], eventus.Type[bumped]("bumped"), eventus.Type[bumpedNext]("bumped.next"))
)

type bumpedNext struct{ Note string }

func (bumpedNext) Apply(*bumpState) {}

// addNext appends an event that only the next release knows.
func addNext(t testing.TB, r rig, id string) {
	t.Helper()
	e, err := releaseNext.Encode(bumpedNext{"new"})
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Time = uuid.NewString(), time.Now()
	if _, err := r.Append(t.Context(), bumps.Stream(id), store.Any, []store.Event{e}); err != nil {
		t.Fatal(err)
	}
}

// TestARollingDeployParksNothingForGood has the old and the new program at work
// together, then the new one alone, then the old one again, and the new one.
func TestARollingDeployParksNothingForGood(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, r rig) {
		cfg := quick()
		cfg.Segments = 4
		before := func() (stop func()) { return start(t, r.follower("view", r, cfg, program{definition: releaseBefore})) }
		next := func() (stop func()) { return start(t, r.follower("view", r, cfg, program{definition: releaseNext})) }
		write := func() {
			for i := range 12 {
				add(t, r, fmt.Sprint("s", i), 1)
				if i%2 == 0 {
					addNext(t, r, fmt.Sprint("s", i))
				}
				add(t, r, fmt.Sprint("s", i), 1)
			}
		}
		noPoison := func() {
			t.Helper()
			for id, p := range parkedOf(t, r, "view") {
				if p.Reason != store.Unknown || p.Attempts != 0 {
					t.Errorf("%s is parked: %+v", id, p)
				}
			}
		}
		handledByOld := func() {
			t.Helper()
			await(t, "the old program has handled what it knows", func() bool {
				head, err := r.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range consumerOf(t, r, "view").Segments {
					if s.Position != head.Position {
						return false
					}
				}
				return true
			})
			noPoison()
		}

		stopBefore := before()
		awaitShares(t, r, 1)
		write() // the program that writes is deployed first
		handledByOld()
		if n := len(parkedOf(t, r, "view")); n != 6 {
			t.Errorf("%d streams are parked, want 6", n)
		}
		stopNext := next()
		awaitShares(t, r, 2)
		write()
		stopBefore()
		awaitExact(t, r, "view", r)

		stopNext() // rolled back
		stopBefore = before()
		awaitShares(t, r, 1)
		write()
		handledByOld()
		stopBefore()
		next()
		awaitExact(t, r, "view", r)
		if parked := parkedOf(t, r, "view"); len(parked) > 0 {
			t.Errorf("parked: %+v", parked)
		}
	})
}
