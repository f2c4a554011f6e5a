package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/product/cmd/internal/program"
	"github.com/nats-io/nats.go"
)

// messaging is a connection to a NATS server and the broker on it.
type messaging struct {
	server *natsd.Server // nil unless it is embedded
	conn   *nats.Conn
	broker *jetstream.Broker
}

// embedMessaging starts a server in this process. Other programs reach it on its
// Addr, unless that is empty.
func embedMessaging(ctx context.Context, cfg natsd.Config, stream jetstream.Config, log *slog.Logger) (*messaging, error) {
	server, err := natsd.Start(cfg)
	switch {
	case err != nil && cfg.Addr != "":
		return nil, fmt.Errorf("-nats-addr %s and -data: %w", cfg.Addr, err)
	case err != nil:
		return nil, fmt.Errorf("%w; or choose another folder by -data", err)
	}
	conn, err := server.Connect(connection(log)...)
	if err != nil {
		server.Shutdown()
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return (&messaging{server: server, conn: conn}).open(ctx, stream)
}

// joinMessaging connects to the server, or the servers of a cluster separated by
// commas, that any number of processes share. A server that is down is no error:
// commands do not need it, and the connection comes up when it does.
func joinMessaging(ctx context.Context, servers string, stream jetstream.Config, log *slog.Logger) (*messaging, error) {
	conn, err := nats.Connect(servers, connection(log)...)
	down := unreachable(err)
	if down {
		log.Warn("NATS cannot be reached; events are published when it can be", slog.String("nats", redacted(servers)), slog.Any("error", err))
		conn, err = nats.Connect(servers, append(connection(log),
			nats.RetryOnFailedConnect(true), nats.ConnectHandler(func(nc *nats.Conn) { logConnected(log, nc) }))...)
	}
	if unparsed, ok := errors.AsType[*url.Error](err); ok {
		err = unparsed.Err // without the URL, which holds a password
	}
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("-nats %s: %w; correct its user and password or token", redacted(servers), err)
	case err != nil:
		return nil, fmt.Errorf("-nats %s: %w; start the server, or correct the URL (for example nats://host:4222)", redacted(servers), err)
	}
	stream.Lazy = down
	return (&messaging{conn: conn}).open(ctx, stream)
}

// unreachable reports whether no server answered: none listens, or its host is
// not known or silent. A server may have its name only once it runs, in a
// container for example.
func unreachable(err error) bool {
	_, isURL := errors.AsType[*url.Error](err) // which is a net.Error as well
	_, isNet := errors.AsType[net.Error](err)
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || isNet && !isURL
}

// connection has the options that package jetstream asks for, and logs when the
// connection goes down and comes back.
func connection(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("productd"), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a server that is being reconfigured may turn clients away for a while
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS is gone, connecting again", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { logConnected(log, nc) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS reports", slog.Any("error", err))
		}),
	}
}

func logConnected(log *slog.Logger, nc *nats.Conn) {
	log.Info("NATS is back", slog.String("server", nc.ConnectedUrlRedacted()))
}

func (m *messaging) open(ctx context.Context, stream jetstream.Config) (*messaging, error) {
	broker, err := jetstream.New(ctx, m.conn, stream)
	if err != nil {
		m.close()
		return nil, program.StreamError(err)
	}
	m.broker = broker
	return m, nil
}

func (m *messaging) close() {
	m.conn.Close()
	if m.server != nil {
		m.server.Shutdown()
	}
}

// redacted leaves passwords and tokens out.
func redacted(servers string) string {
	list := strings.Split(servers, ",")
	for i, server := range list {
		u, err := url.Parse(strings.TrimSpace(server))
		switch {
		case err != nil:
			list[i] = "(not a URL)"
		case u.User != nil:
			u.User = url.User("xxxxx")
			list[i] = u.String()
		}
	}
	return strings.Join(list, ",")
}
