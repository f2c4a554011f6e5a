// Package natsd runs a NATS server with JetStream inside this process: for
// tests, for development and for programs on one machine. It is the one package
// of Eventus that imports nats-server.
package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Config says where a [Server] stores and listens.
type Config struct {
	// Dir is where JetStream keeps its files. It is made if it does not exist,
	// and belongs to one server at a time. Required.
	Dir string

	// Addr is where the server listens for TCP clients, for example
	// "127.0.0.1:4222"; port 0 takes a free one. The host is a loopback address
	// or empty, which means 127.0.0.1: the server asks nobody for a password.
	// Empty means no listener at all: only [Server.Connect] reaches the server.
	Addr string

	// File is a nats-server configuration for what Config has no field for:
	// authorization, tls, accounts, a cluster. What it says of addresses for
	// clients, JetStream's folder and logs does not count. Empty means none.
	File string

	// SyncAlways makes the server flush each message to disk before it confirms
	// it (sync_interval: always). Without it the server flushes every
	// SyncInterval, and a power loss takes confirmed messages with it.
	SyncAlways bool

	// SyncInterval is the server's sync_interval. Zero means its default, 2
	// minutes.
	SyncInterval time.Duration

	// StartTimeout is how long Start waits for the server to be ready, the
	// recovery of what is in Dir included. Zero means 30 seconds.
	StartTimeout time.Duration

	// Logger gets the server's log. Nil means none; what keeps the server from
	// starting is in the error of [Start] all the same.
	Logger *slog.Logger
}

// Server is a running server. It is safe for concurrent use.
type Server struct {
	nats     *server.Server
	lock     *flock.Flock
	shutdown func()
}

// Start starts a server and returns when it is ready. It handles no signals:
// the program calls [Server.Shutdown].
func Start(cfg Config) (*Server, error) {
	opts, err := cfg.options()
	if err != nil {
		return nil, fmt.Errorf("start NATS server: %w", err)
	}
	if err := probe(opts); err != nil {
		return nil, fmt.Errorf("start NATS server: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start NATS server: %w", err)
	}
	nats, err := start(opts, cfg)
	if err != nil {
		return nil, fmt.Errorf("start NATS server: %w", errors.Join(err, lock.Unlock()))
	}
	s := &Server{nats: nats, lock: lock}
	s.shutdown = sync.OnceFunc(func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		// The file stays: removing it would let two servers lock two files.
		_ = s.lock.Unlock()
	})
	return s, nil
}

func start(opts *server.Options, cfg Config) (*server.Server, error) {
	nats, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	log := newLogger(cfg.Logger)
	nats.SetLoggerV2(log, false, false, false)
	stop := func() {
		nats.Shutdown()
		nats.WaitForShutdown()
	}

	// Start does not return what goes wrong, it logs it as fatal.
	started := make(chan bool, 1)
	go func() {
		nats.Start()
		started <- nats.ReadyForConnections(cfg.startTimeout())
	}()
	select {
	case reason := <-log.fatal:
		stop()
		return nil, errors.New(reason)
	case ready := <-started:
		if !ready {
			stop()
			return nil, fmt.Errorf("not ready after %v: give it a longer StartTimeout, or look at its log by Config.Logger", cfg.startTimeout())
		}
	}
	return nats, nil
}

// lockDir makes dir and locks it against other servers.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("%w: choose a Dir that this user may write to", err)
	}
	lock := flock.New(filepath.Join(dir, "natsd.lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("%w: choose a Dir that this user may write to", err)
	}
	if !ok {
		return nil, fmt.Errorf("%s is in use by another server: stop that one, or choose another Dir", dir)
	}
	return lock, nil
}

// Connect returns a connection that does not leave the process. It takes the
// options of [nats.Connect] but for those that choose a server. The caller
// closes it. After [Server.Shutdown] it does not come back, not even when
// another server starts on the same Dir.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(opts[:len(opts):len(opts)], nats.InProcessServer(s.nats))...)
}

// URL returns where TCP clients connect, for example "nats://127.0.0.1:4222".
// Without a listener it is empty.
func (s *Server) URL() string {
	if s.nats.Addr() == nil {
		return ""
	}
	return s.nats.ClientURL()
}

// Shutdown stops the server, closes its connections and waits until its files
// are closed. Calling it again does nothing.
func (s *Server) Shutdown() { s.shutdown() }
