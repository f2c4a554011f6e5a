package natsd

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/broker/jetstream"
)

// A server as "nats-server" starts it. The test is here and not with the broker
// because natsd itself always has JetStream.
func TestTheBrokerNamesTheCureForAServerWithoutJetStream(t *testing.T) {
	plain, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go plain.Start()
	defer plain.WaitForShutdown()
	defer plain.Shutdown()
	if !plain.ReadyForConnections(30 * time.Second) {
		t.Fatal("not ready")
	}
	nc, err := nats.Connect("", nats.InProcessServer(plain))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := jetstream.New(t.Context(), nc, jetstream.Config{}); err == nil || !strings.Contains(err.Error(), "start it with -js") {
		t.Errorf("got %v", err)
	}
}
