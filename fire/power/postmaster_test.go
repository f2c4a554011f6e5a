package power

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
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
