package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const maxConnections = "300"

// Options say what kind of server [Start] starts.
type Options struct {
	// Fsync keeps fsync on, as in production. Without it tests are faster, and
	// what a crash of the machine would lose is the same for them.
	Fsync bool
	// Settings are settings of the server, for example
	// "max_prepared_transactions": "10". They win over those of this package.
	Settings map[string]string
}

// Mode is how a server is stopped: a shutdown mode of pg_ctl, or a kill.
type Mode int

const (
	// Fast breaks connections off and closes the cluster orderly (SIGINT).
	Fast Mode = iota
	// Immediate gives up at once; the next start recovers from the log (SIGQUIT).
	Immediate
	// Kill is SIGKILL to the server: its processes find out and end by themselves.
	Kill
)

var signals = map[Mode]os.Signal{Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT, Kill: syscall.SIGKILL}

// Server is a private cluster. Its methods are for one goroutine at a time.
type Server struct {
	bin, dir string
	opts     Options
	keeper   *keeper
	process  *exec.Cmd     // nil while stopped
	exited   chan struct{} // closed when process is gone
	killed   bool          // since it was last ready
}

const noPrograms = "no PostgreSQL to stop and start: install its server (Debian: apt-get install postgresql)"

// Start starts a server that is the test's own, by PostgreSQL's programs on this
// machine: neither EVENTUS_TEST_POSTGRES nor Docker serve here. When t ends it is
// stopped and removed. Without those programs t is skipped, or fails if
// EVENTUS_REQUIRE_POSTGRES is set.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	bin := findPrograms()
	if bin == "" {
		if os.Getenv("EVENTUS_REQUIRE_POSTGRES") != "" {
			t.Fatal(noPrograms)
		}
		t.Skip(noPrograms)
	}
	s, err := start(bin, opts)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return s
}

// New starts a server as [Start] does, for a program that is no test, such as one
// that measures. The caller removes it.
func New(opts Options) (*Server, error) {
	bin := findPrograms()
	if bin == "" {
		return nil, errors.New(noPrograms)
	}
	s, err := start(bin, opts)
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	return s, nil
}

func start(bin string, opts Options) (*Server, error) {
	s, err := newServer(bin, opts)
	if err != nil {
		return nil, err
	}
	initdb := s.command("initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), s.remove())
	}
	if err := s.Resume(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// newServer returns a server without a cluster, and the folder for one.
func newServer(bin string, opts Options) (*Server, error) {
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, opts: opts}
	if err := handOver(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.keeper, err = keep(bin, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

// command is one of PostgreSQL's programs as the user who owns the cluster.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = unprivileged()
	return cmd
}

// URL returns where clients connect: as the superuser postgres, to the database
// postgres, over a Unix socket. It stays the same over restarts.
func (s *Server) URL() string {
	return "postgres://postgres@/postgres?" + url.Values{"host": {s.dir}}.Encode()
}

// Bin returns the folder of the server's programs, where pg_dump and psql of the
// same version are.
func (s *Server) Bin() string { return s.bin }

// Shell returns a shell that will run a script with the variables in env, each
// "NAME=value". The server's programs are first in its PATH, the user is the
// owner of the cluster, PGUSER is the superuser, and the folder is one of the
// server, which is removed with it. A server that the script starts is for the
// caller to stop.
func (s *Server) Shell(script string, env ...string) *exec.Cmd {
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = s.dir
	cmd.SysProcAttr = unprivileged()
	cmd.Env = append(append(os.Environ(), "PATH="+s.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "PGUSER=postgres"), env...)
	return cmd
}

// Stop stops the server and returns when it is gone. A server that is stopped
// already stays so.
func (s *Server) Stop(mode Mode) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(signals[mode]); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		return fmt.Errorf("stop PostgreSQL: not gone after %v\n%s", patience, s.lastLines())
	}
	s.process, s.killed = nil, mode == Kill
	return nil
}

// Resume starts a server that was stopped, and returns when it takes
// connections. One that runs goes on.
func (s *Server) Resume() error {
	if s.process != nil {
		return nil
	}
	// After Kill the first tries may end at once: the cluster is in use until the
	// former server's processes have noticed.
	var err error
	for start := time.Now(); time.Since(start) < patience; time.Sleep(50 * time.Millisecond) {
		if err = s.launch(); err == nil || !s.killed || s.process != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w\n%s", err, s.lastLines())
	}
	s.killed = false
	return nil
}

func (s *Server) launch() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	process := s.command("postgres", s.settings()...)
	process.Stderr = log
	if err := process.Start(); err != nil {
		return err
	}
	s.process, s.exited = process, make(chan struct{})
	go func(exited chan struct{}) {
		_ = process.Wait() // how it ended is in its log
		close(exited)
	}(s.exited)
	return s.awaitReady()
}

// Restart is Stop and Resume.
func (s *Server) Restart(mode Mode) error {
	if err := s.Stop(mode); err != nil {
		return err
	}
	return s.Resume()
}

func (s *Server) settings() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": s.dir,
		"max_connections":         maxConnections,
	}
	if !s.opts.Fsync {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
		settings["eventus.throwaway"] = "on"
	}
	maps.Copy(settings, s.opts.Settings)
	args := []string{"-D", s.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// awaitReady returns when the server takes connections.
func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			s.process = nil
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", patience, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lastLines are the end of the server's log.
func (s *Server) lastLines() []byte {
	log, err := os.ReadFile(s.log())
	if err != nil {
		return nil
	}
	lines := bytes.SplitAfter(log, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-10):], nil)
}

// Remove stops the server and removes its cluster. After [Start] it happens by
// itself.
func (s *Server) Remove() error {
	if err := s.remove(); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}

func (s *Server) remove() error { return errors.Join(s.Stop(Immediate), s.keeper.end()) }
