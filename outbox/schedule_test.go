package outbox_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// trouble is what a schedule may do to a relay and its broker.
type trouble string

const (
	failures trouble = "failures"
	cuts     trouble = "cuts"
	purges   trouble = "purges of all"
	places   trouble = "purges of a place"
	sessions trouble = "sessions"
	refusals trouble = "refusals"
	restarts trouble = "restarts"
	midway   trouble = "losses while it publishes"
)

var troubles = []trouble{failures, cuts, purges, places, sessions, refusals, restarts, midway}

// seeds returns how many schedules to run: EVENTUS_SCHEDULES, or a default.
func seeds(t *testing.T, n int) uint64 {
	t.Helper()
	if text := os.Getenv("EVENTUS_SCHEDULES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("EVENTUS_SCHEDULES: %v", err)
		}
	}
	return uint64(n)
}

// Seeded schedules of appends, failures, refusals, losses and restarts, and the
// same with one kind of trouble less or three times as often. At the end the broker
// has each message.
func TestTheAuditHealsWhateverIsLost(t *testing.T) {
	schedules := map[string]map[trouble]int{"everything": {}}
	for _, kind := range troubles {
		schedules["no "+string(kind)] = map[trouble]int{kind: 0}
		schedules["more "+string(kind)] = map[trouble]int{kind: 3}
	}
	for name, weights := range schedules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds(t, 4) {
				synctest.Test(t, func(t *testing.T) { heals(t, seed, weights) })
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// heals runs one schedule. A kind of trouble that is not in weights has weight 1.
func heals(t *testing.T, seed uint64, weights map[trouble]int) {
	random, brokerRandom := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	s, l := memory.New(), newLedger()
	happens := func(random *rand.Rand, kind trouble, oneIn int) bool {
		weight, ok := weights[kind]
		if !ok {
			weight = 1
		}
		return random.IntN(oneIn) < weight
	}
	lose := func(random *rand.Rand, kind trouble) {
		switch kind {
		case cuts:
			lost := random.IntN(len(l.kept) + 1)
			if random.IntN(2) == 0 { // not further back than the last audit
				lost = min(lost, 1+random.IntN(5))
			}
			l.cut(len(l.kept) - lost)
		case purges:
			l.purge(func(entry) bool { return true })
		case places:
			l.purge(l.at(fmt.Sprint("tick ", random.IntN(3))))
		}
	}
	l.midway = func() {
		if happens(brokerRandom, midway, 200) {
			lose(brokerRandom, []trouble{cuts, purges, places}[brokerRandom.IntN(3)])
		}
	}
	l.fail = func(n int) (int, int, error) {
		if !happens(brokerRandom, failures, 5) {
			return n, n, nil
		}
		arrive := brokerRandom.IntN(n + 1)
		return arrive, brokerRandom.IntN(arrive + 1), errBroken
	}
	bad := make(map[string]bool)
	l.refuses = func(m store.Message) bool { return bad[fmt.Sprint(m.Stream.ID, " ", m.Version)] }
	want := make(map[string]int64)
	newRelay := func() *outbox.Relay { return outbox.New(s, l, outbox.Config{BatchSize: 4}) }
	stop := run(t, newRelay())
	for range 5 + random.IntN(60) { // a loss of all heals what was missing before
		for range random.IntN(6) {
			id := fmt.Sprint(random.IntN(6))
			add(t, s, id)
			want[id]++
		}
		settle(time.Duration(random.IntN(3000)) * time.Millisecond)
		l.change(func() {
			for _, kind := range []trouble{cuts, purges, places} {
				if happens(random, kind, 12) {
					lose(random, kind)
				}
			}
			if happens(random, sessions, 12) {
				l.reconnect()
			}
			if happens(random, refusals, 12) {
				id := fmt.Sprint(random.IntN(6))
				bad[fmt.Sprint(id, " ", want[id]+1)] = true
			} else if random.IntN(6) == 0 {
				clear(bad)
			}
		})
		if happens(random, restarts, 15) {
			stop()
			stop = run(t, newRelay())
		}
	}
	l.change(func() { clear(bad); l.fail, l.midway = nil, nil })
	settle(2 * time.Minute) // an audit, without a restart
	stop()
	relay := newRelay() // tries again what is refused
	stop = run(t, relay)
	settle(10 * time.Second)
	healed := relay.State().Audit.Behind
	settle(3 * time.Minute)
	stop()
	if again := relay.State().Audit.Behind - healed; again != 0 {
		t.Errorf("%d messages were published again, and nothing was lost any more", again)
	}
	l.completes(t, want)
	if n := left(t, s); n != 0 {
		t.Errorf("%d left in the outbox", n)
	}
}
