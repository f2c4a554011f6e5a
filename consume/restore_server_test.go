package consume_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestRestoreServers runs schedules of TestRestore with what operators use: dumps
// that are restored in place, into a new database and into a new cluster, and
// standbys that are promoted after they have lost the end of the log. Half of the
// schedules put back while programs append, and half of the consumers have another
// database than the log. Each kind has one schedule for twenty of TestRestore.
func TestRestoreServers(t *testing.T) {
	schedules, seed := restoreSchedules(t, 1, 20)
	server := pgtest.Start(t, pgtest.Options{})
	elsewhere := func(t testing.TB, random *rand.Rand) disk { return newDumpDisk(t, random, newDatabase, server) }
	for i, v := range []struct {
		name string
		open func(t testing.TB, random *rand.Rand) disk
	}{
		{"dumps, in place", func(t testing.TB, random *rand.Rand) disk { return newDumpDisk(t, random, inPlace, server) }},
		{"dumps, into a new database", elsewhere},
		{"dumps, into a new cluster", newClusterDisk},
		{"promoted standbys", newStandbyDisk},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			forked := 0
			for n := range schedules {
				busy, apart := (uint64(i)+seed+n)%2 == 0, (uint64(i)/2+seed+n)%2 == 0
				t.Run(fmt.Sprintf("seed %d, under appends: %v, with a consumer in another database: %v", seed+n, busy, apart), func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed+n, uint64(i)))
					log, db := v.open(t, random), disk(nil)
					if busy {
						log = newBusyDisk(log, random)
					}
					if apart {
						db = elsewhere(t, random)
					}
					if restore(t, random, log, db) {
						forked++
					}
				})
			}
			t.Logf("%d of %d consumers were forked in the end", forked, schedules)
		})
	}
}

// restoreSchedules returns how many schedules to run, and the first seed.
// EVENTUS_SCHEDULES and EVENTUS_SEED are those of TestRestore, which runs share
// times as many.
func restoreSchedules(t *testing.T, schedules, share uint64) (n, seed uint64) {
	t.Helper()
	seed = 1
	if testing.Short() {
		schedules = max(1, schedules/2)
	}
	if n, err := strconv.ParseUint(os.Getenv("EVENTUS_SCHEDULES"), 10, 32); err == nil {
		schedules = max(1, n/share)
	}
	if n, err := strconv.ParseUint(os.Getenv("EVENTUS_SEED"), 10, 64); err == nil {
		seed = n
	}
	return schedules, seed
}

// restore runs a schedule of TestRestore on new disks. Without a db the consumer
// is in the database of the log.
func restore(t *testing.T, random *rand.Rand, log, db disk) (forked bool) {
	t.Helper()
	if db == nil {
		db = log
	}
	s := &restoring{T: t, log: log, db: db, name: "view", random: random, old: map[disk]int{log: 0, db: 0}}
	return s.run()
}

// moving is a database that moves from one server to another under the programs
// that use it.
type moving struct {
	rig                  // what the test looks with
	program *bed[pgx.Tx] // what the programs use
	at      atomic.Pointer[pgx.ConnConfig]
	pools   []*pgxpool.Pool // of the test and of the programs
}

// moveTo has new connections go to a URL. Those that are open stay where they are.
func (m *moving) moveTo(t testing.TB, url string) {
	t.Helper()
	at, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	m.at.Store(at)
}

// pool returns a pool whose connections go to where the database is.
func (m *moving) pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(m.at.Load().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		at := m.at.Load()
		c.Host, c.Port, c.Database, c.Fallbacks = at.Host, at.Port, at.Database, at.Fallbacks
		return nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// open opens the database for programs and for the test.
func (m *moving) open(t testing.TB) {
	t.Helper()
	for _, old := range m.pools {
		old.Close()
	}
	m.pools = []*pgxpool.Pool{m.pool(t), m.pool(t)}
	m.rig, m.program = onPool(t, m.pools[0]), onPool(t, m.pools[1])
}

// look has the test look at where the database is now. The connections of the
// programs find out by themselves.
func (m *moving) look() { m.pools[0].Reset() }

func (m *moving) follower(name string, log store.Log, cfg consume.Config, p program) runner {
	if l, ok := log.(interface{ programs() logStore }); ok {
		log = l.programs()
	}
	return m.program.follower(name, log, cfg, p)
}

func (m *moving) programs() logStore { return m.program }
