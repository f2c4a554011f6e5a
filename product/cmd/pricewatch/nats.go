package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// connect returns a connection to the server, or to the servers of a cluster
// separated by commas. If none of them answers, it waits until one does or ctx
// ends.
func connect(ctx context.Context, servers string, log *slog.Logger) (*nats.Conn, error) {
	connected := make(chan struct{})
	reconnected := func(nc *nats.Conn) { log.Info("NATS is back", slog.String("server", nc.ConnectedAddr())) }
	options := []nats.Option{
		nats.Name("pricewatch"), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(func(*nats.Conn) { close(connected) }),
		nats.ReconnectHandler(reconnected), // the receiver logs that it is gone
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS reports an error", slog.Any("error", err))
		}),
	}
	conn, err := nats.Connect(servers, options...)
	if unreachable(err) {
		log.Warn("NATS cannot be reached; waiting for it", slog.String("nats", hosts(servers)), slog.Any("error", err))
		conn, err = nats.Connect(servers, append(options, nats.RetryOnFailedConnect(true))...)
	}
	if unparsed, ok := errors.AsType[*url.Error](err); ok {
		err = unparsed.Err // without the URL, which may hold a password
	}
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("-nats: %w by %s; correct the user and password, or the token", err, hosts(servers))
	case err != nil:
		return nil, fmt.Errorf("-nats: %w; want for example nats://host:4222", err)
	}
	select {
	case <-connected:
		log.Info("connected to NATS", slog.String("server", conn.ConnectedAddr()))
	case <-ctx.Done():
	}
	return conn, nil
}

// unreachable reports whether no server answered.
func unreachable(err error) bool {
	_, isURL := errors.AsType[*url.Error](err) // which is a net.Error as well
	_, isNet := errors.AsType[net.Error](err)
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || isNet && !isURL
}

// hosts returns the hosts of URLs, without users, passwords and tokens.
func hosts(servers string) string {
	var list []string
	for server := range strings.SplitSeq(servers, ",") {
		if u, err := url.Parse(strings.TrimSpace(server)); err == nil && u.Host != "" {
			list = append(list, u.Host)
		}
	}
	return strings.Join(list, ",")
}
