package power

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/fire/powercut"
	"github.com/eventus-go/eventus/store/postgres"
)

// TestPostgres has clients append to a store and mark its outbox, cuts the power
// under the server, and looks into a copy of the cluster that is left. The next server
// recovers what is left itself, and one in five loses its power meanwhile.
func TestPostgres(t *testing.T) {
	for _, v := range []struct {
		name     string
		names    powercut.Names
		newFiles bool // of tables that are there
	}{
		{"names by journal", powercut.ByJournal, true},
		{"names by folder", powercut.ByFolder, false},
		// PostgreSQL syncs a new file and not its folder: what is lost is counted.
		{"names by folder, tables made again", powercut.ByFolder, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			if testing.Short() && v.names == powercut.ByFolder {
				t.Skip("without -short")
			}
			c := &cluster{trial: newTrial(t, "PostgreSQL, "+v.name), names: v.names, newFiles: v.newFiles}
			c.lossy = v.names == powercut.ByFolder && v.newFiles
			c.syncDelay = 0 // a recovery syncs a thousand files, one after the other
			defer c.done()
			c.owner = pgtest.Start(t, pgtest.Options{Fsync: true})
			c.must(c.owner.Stop(pgtest.Fast))
			damaged := false
			for cut := 0; c.more(); cut++ {
				if cut%cutsOfAFile == 0 || damaged {
					c.renew()
				}
				lost := c.result.lost
				c.cutPostgres()
				if damaged = c.result.lost > lost; damaged {
					c.damaged++
				}
			}
			if c.lossy {
				c.result.remark = fmt.Sprintf("%d of the cuts damaged the database", c.damaged)
			}
			if c.said != nil {
				c.result.acknowledged += c.said.count()
			}
		})
	}
}

type cluster struct {
	*trial
	names    powercut.Names
	newFiles bool
	owner    *pgtest.Server // a server that is stopped: its user runs those of the test
	said     *ledger
	damaged  int
}

// renew makes a new cluster.
func (c *cluster) renew() {
	if c.said != nil {
		c.result.acknowledged += c.said.count()
	}
	c.said = newLedger()
	c.must(os.RemoveAll(c.disk()))
	c.must(os.Mkdir(c.disk(), 0o700))
	stat, err := os.Stat(c.owner.Shell("").Dir)
	c.must(err)
	user := stat.Sys().(*syscall.Stat_t)
	for _, dir := range []string{c.disk(), c.run()} {
		c.must(os.Chown(dir, int(user.Uid), int(user.Gid)))
	}
	initdb := c.owner.Shell(`initdb --pgdata "$DATA" --username postgres --auth trust --encoding UTF8 --locale C --data-checksums --wal-segsize 1 --no-sync`, "DATA="+c.disk())
	if out, err := initdb.CombinedOutput(); err != nil {
		c.Fatalf("initdb: %v\n%s", err, out)
	}
	s := c.serve(c.disk())
	pool := c.pool()
	c.must(c.ready(s, pool))
	c.must(postgres.Migrate(context.Background(), pool, postgres.Config{}))
	pool.Close()
	s.stop()
}

func (c *cluster) cutPostgres() {
	fs := c.powerOn(powercut.Options{Names: c.names})
	var cut <-chan powercut.Report
	recovering := c.random.IntN(5) == 0
	if recovering { // the cut falls into the start, and the recovery, or soon after it
		cut = c.cutSoon(fs, 3000)
	}
	s := c.serve(c.mount())
	pool := c.pool()
	err := c.ready(s, pool)
	if !recovering {
		c.must(err)
		cut = c.cutSoon(fs, 20000)
	}
	ctx, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	if err == nil {
		c.write(ctx, &clients, pool)
	}
	c.await(cut, make(chan struct{}))
	s.stop()
	stop()
	clients.Wait()
	pool.Close()
	c.must(fs.Close())

	s = c.serve(c.copyDisk())
	defer s.stop()
	pool = c.pool()
	defer pool.Close()
	if err := c.ready(s, pool); err != nil {
		c.lose("the server does not start, after %d acknowledgements: %v", c.said.count(), err)
		return
	}
	found, err := postgres.Open(context.Background(), pool, postgres.Config{})
	if err != nil {
		c.lose("the cluster has no store, after %d acknowledgements: %v\n%s", c.said.count(), err, s.said.String())
		return
	}
	c.check(found, c.said)
}

// write has clients write until ctx ends.
func (c *cluster) write(ctx context.Context, clients *sync.WaitGroup, pool *pgxpool.Pool) {
	s, err := postgres.Open(ctx, pool, postgres.Config{})
	if err != nil {
		return // the power is off already
	}
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		if err := c.said.read(strings.TrimSpace(fmt.Sprintln(words...))); err != nil {
			panic(err)
		}
	}
	for w := range 4 {
		clients.Go(func() {
			for ctx.Err() == nil { // an error ends a turn, not the client
				_ = appendTo(ctx, s, w, say)
			}
		})
	}
	clients.Go(func() { _ = mark(ctx, s, say) })
	upkeep := []string{"CHECKPOINT", "CHECKPOINT", "VACUUM outbox", "SELECT pg_switch_wal()"}
	if c.newFiles {
		upkeep = append(upkeep, "VACUUM FULL outbox", "REINDEX TABLE outbox")
	}
	clients.Go(func() {
		for ctx.Err() == nil {
			pause()
			_, _ = pool.Exec(ctx, upkeep[rand.IntN(len(upkeep))])
		}
	})
}
