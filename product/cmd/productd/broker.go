package main

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/nats-io/nats.go"
)

// messaging is an embedded NATS server and the broker on it.
type messaging struct {
	server *natsd.Server
	conn   *nats.Conn
	broker *jetstream.Broker
}

func startMessaging(ctx context.Context, dir string) (*messaging, error) {
	server, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("%w; or choose another folder by -data", err)
	}
	m := &messaging{server: server}
	if m.conn, err = server.Connect(nats.ReconnectBufSize(-1), nats.MaxReconnects(-1)); err != nil {
		m.close()
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	if m.broker, err = jetstream.New(ctx, m.conn, jetstream.Config{}); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *messaging) close() {
	if m.conn != nil {
		m.conn.Close()
	}
	m.server.Shutdown()
}
