package consume_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestKillFollowers kills two processes that follow at random moments, again and
// again, while events are appended. In the end each event has had its effect
// once, in order. EVENTUS_KILLS says how often.
func TestKillFollowers(t *testing.T) {
	t.Parallel()
	kills := 8
	if testing.Short() {
		kills = 1 // the step "crash" of CI kills more often
	}
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_KILLS")); err == nil {
		kills = n
	}
	onEachServer(t, func(t *testing.T, r rig, at member) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		at.Consumer, at.Segments, at.Batch, at.Lease, at.Slow = "view", 3, 8, 500*time.Millisecond, time.Millisecond
		members := []*process{startMember(t, at), startMember(t, at)}
		for range kills {
			i := random.IntN(len(members))
			for range 10 {
				add(t, r, fmt.Sprint("s", random.IntN(9)), 1+random.IntN(5))
				time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond) // when is left to chance
			}
			members[i].kill()
			members[i] = startMember(t, at)
		}
		awaitExact(t, r, "view", r)
		if parked := parkedOf(t, r, "view"); len(parked) > 0 {
			t.Errorf("parked: %+v", parked)
		}
	})
}
