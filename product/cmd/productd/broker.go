package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/nats-io/nats.go"
)

// messaging is a connection to a NATS server and the broker on it.
type messaging struct {
	server *natsd.Server // nil unless it is embedded
	conn   *nats.Conn
	broker *jetstream.Broker
}

// embedMessaging starts a server in this process.
func embedMessaging(ctx context.Context, dir string, log *slog.Logger) (*messaging, error) {
	server, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("%w; or choose another folder by -data", err)
	}
	conn, err := server.Connect(connection(log)...)
	if err != nil {
		server.Shutdown()
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return (&messaging{server: server, conn: conn}).open(ctx)
}

// joinMessaging connects to the server, or the servers of a cluster separated by
// commas, that any number of processes share.
func joinMessaging(ctx context.Context, servers string, log *slog.Logger) (*messaging, error) {
	conn, err := nats.Connect(servers, connection(log)...)
	if unparsed, ok := errors.AsType[*url.Error](err); ok {
		err = unparsed.Err // without the URL, which holds a password
	}
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("-nats %s: %w; correct its user and password or token", redacted(servers), err)
	case err != nil:
		return nil, fmt.Errorf("-nats %s: %w; start the server, or correct the URL (for example nats://host:4222)", redacted(servers), err)
	}
	return (&messaging{conn: conn}).open(ctx)
}

// connection is as package jetstream asks for it, and tells of its ups and downs.
func connection(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("productd"), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a server that is being reconfigured may turn clients away for a while
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS is gone, connecting again", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("NATS is back", slog.String("server", nc.ConnectedUrlRedacted()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS reports", slog.Any("error", err))
		}),
	}
}

func (m *messaging) open(ctx context.Context) (*messaging, error) {
	broker, err := jetstream.New(ctx, m.conn, jetstream.Config{})
	if err != nil {
		m.close()
		return nil, err
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
