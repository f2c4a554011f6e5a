package natsd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func (c Config) startTimeout() time.Duration { return cmp.Or(c.StartTimeout, 30*time.Second) }

// options maps c to what nats-server understands.
func (c Config) options() (*server.Options, error) {
	if c.Dir == "" {
		return nil, errors.New("Dir is empty: name the folder for JetStream's files")
	}
	opts, err := c.file()
	if err != nil {
		return nil, err
	}
	opts.ServerName = cmp.Or(opts.ServerName, "natsd")
	opts.DontListen = true
	opts.JetStream = true
	opts.StoreDir = c.Dir
	opts.SyncAlways = opts.SyncAlways || c.SyncAlways
	opts.SyncInterval = cmp.Or(c.SyncInterval, opts.SyncInterval)
	opts.NoSigs = true
	opts.DisableJetStreamBanner = true
	if c.Addr == "" {
		return opts, nil
	}
	host, port, err := loopback(c.Addr)
	if err != nil {
		return nil, err
	}
	opts.DontListen, opts.Host, opts.Port = false, host, port
	if port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

// file returns the options to start from.
func (c Config) file() (*server.Options, error) {
	if c.File == "" {
		return &server.Options{}, nil
	}
	opts, err := server.ProcessConfigFile(c.File)
	if err != nil {
		return nil, fmt.Errorf("File: %w", err)
	}
	return opts, nil
}

func loopback(addr string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("Addr %q: %w: want for example 127.0.0.1:4222", addr, err)
	}
	p, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("Addr %q: the port is not a number from 0 to 65535", addr)
	}
	switch ip := net.ParseIP(host); {
	case host == "" || host == "localhost":
		return "127.0.0.1", int(p), nil
	case ip != nil && ip.IsLoopback():
		return host, int(p), nil
	}
	return "", 0, fmt.Errorf("Addr %q is not a loopback address: other machines would reach a server without a password; run nats-server with a configuration of its own for them", addr)
}

// probe finds out whether the port is free, because the server itself tells
// only its log.
func probe(opts *server.Options) error {
	if opts.DontListen || opts.Port == server.RANDOM_PORT {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)))
	if err != nil {
		return fmt.Errorf("%w: choose another Addr, or stop what listens there", err)
	}
	return l.Close()
}
