package jetstream_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// calls returns a channel that gets a value after each call of Notify's function.
func calls(t *testing.T, b *jetstream.Broker, topics ...string) <-chan struct{} {
	t.Helper()
	called := make(chan struct{}, 1)
	stop, err := b.Notify(topics, func() {
		select {
		case called <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return called
}

// Hints are lost while the connection is down, so that its return is one.
func TestAReconnectIsAHint(t *testing.T) {
	srv := serveTCP(t)
	b := open(t, dial(t, srv.URL()), jetstream.Config{})
	called := calls(t, b, "topic")
	for range 2 {
		srv.restart(t, srv.cfg.Dir)
		<-called // nothing was published
		publishAll(t, b, numbered("topic", 0, 1))
		<-called
	}
}

func TestNotifyNeedsNoStream(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	wipe(t, nc, "EVENTUS")
	called := calls(t, b, "topic")
	if err := nc.PublishMsg(&nats.Msg{Subject: "eventus.topic.7"}); err != nil {
		t.Fatal(err)
	}
	<-called
}

func TestNotifyHearsAnotherConnection(t *testing.T) {
	srv := serve(t, natsd.Config{Dir: t.TempDir()})
	reader, writer := open(t, connect(t, srv), jetstream.Config{}), open(t, connect(t, srv), jetstream.Config{})
	called := calls(t, reader, "topic")
	publishAll(t, writer, numbered("topic", 0, 1))
	<-called
}

func TestNotifyOnAClosedConnectionIsAnError(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	nc.Close()
	if _, err := b.Notify([]string{"topic"}, func() {}); err == nil {
		t.Error("accepted")
	}
}
