package power

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/fire/powercut"
	"github.com/eventus-go/eventus/store/postgres"
)

const patience = time.Minute

// settings are those of production where they matter for a power loss, and small
// where that makes more happen in a short time: pages are evicted, checkpoints are
// frequent, and files of the WAL are used again.
var settings = []string{
	"fsync=on", "full_page_writes=on", "synchronous_commit=on", "listen_addresses=",
	"shared_buffers=2MB", "min_wal_size=2MB", "max_wal_size=4MB", "checkpoint_timeout=30s", "bgwriter_delay=10ms",
	"autovacuum_naptime=1s", "log_min_messages=warning",
}

// TestPostgres has clients append to a store and mark its outbox, cuts the power
// under the server, and looks into a copy of the cluster that is left. The next server
// recovers what is left itself, and one in five loses its power meanwhile.
func TestPostgres(t *testing.T) {
	for _, names := range []powercut.Names{powercut.ByFolder, powercut.ByJournal} {
		t.Run(namesText[names], func(t *testing.T) {
			if testing.Short() && names == powercut.ByFolder {
				t.Skip("without -short")
			}
			c := &cluster{trial: newTrial(t, "PostgreSQL, "+namesText[names]), names: names}
			defer c.done()
			c.owner = pgtest.Start(t, pgtest.Options{Fsync: true})
			c.must(c.owner.Stop(pgtest.Fast))
			for cut := 0; cut < c.cuts && !t.Failed(); cut++ {
				if cut%cutsOfAFile == 0 {
					c.renew()
				}
				c.cutPostgres()
			}
			if c.said != nil {
				c.result.acknowledged += c.said.count()
			}
		})
	}
}

type cluster struct {
	*trial
	names powercut.Names
	owner *pgtest.Server // a server that is stopped: its user runs those of the test
	said  *ledger
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
	if c.names == powercut.ByJournal {
		// A new file of a table. PostgreSQL syncs the file and not its folder.
		upkeep = append(upkeep, "VACUUM FULL outbox", "REINDEX TABLE outbox")
	}
	clients.Go(func() {
		for ctx.Err() == nil {
			pause()
			_, _ = pool.Exec(ctx, upkeep[rand.IntN(len(upkeep))])
		}
	})
}

// postmaster is a running server.
type postmaster struct {
	cmd   *exec.Cmd
	said  strings.Builder
	ended chan struct{}
}

// serve starts a server on a folder.
func (c *cluster) serve(data string) *postmaster {
	c.Helper()
	args := ""
	for _, s := range settings {
		args += " -c " + s
	}
	s := &postmaster{cmd: c.owner.Shell(`exec postgres -D "$DATA" -k "$RUN"`+args, "DATA="+data, "RUN="+c.run()), ended: make(chan struct{})}
	s.cmd.Stderr = &s.said
	s.cmd.WaitDelay = time.Second // others of its processes have its Stderr
	c.must(s.cmd.Start())
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	c.Cleanup(s.stop)
	return s
}

// stop stops the server as fast as it can, and returns when it is gone.
func (s *postmaster) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// pool returns connections, which are made when they are used.
func (c *cluster) pool() *pgxpool.Pool {
	c.Helper()
	config, err := pgxpool.ParseConfig("postgres://postgres@/postgres?" + url.Values{"host": {c.run()}}.Encode())
	c.must(err)
	config.MaxConns = 12
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	c.must(err)
	return pool
}

// ready returns when the server takes connections.
func (c *cluster) ready(s *postmaster, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := pool.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server has ended: %w\n%s", err, s.said.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
