package consume_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
)

// A standby that lacks published events is promoted under a running relay.
// JetStream keeps them: the audit reports that it is ahead, and the relay
// publishes what is appended from then on.
func TestTheRelayGoesOnAfterAStandbyIsPromoted(t *testing.T) {
	d := newStandbyDisk(t, rand.New(rand.NewPCG(1, 2))).(*standbyDisk)
	js, err := jetstream.New(t.Context(), natstest.Connect(t), jetstream.Config{Stream: "PROMOTED", Prefix: "promoted"})
	if err != nil {
		t.Fatal(err)
	}
	relay := outbox.New(d.program.Store.(store.Outbox), js, outbox.Config{
		MaxPollInterval: 20 * time.Millisecond, LeaseDuration: time.Minute, AuditInterval: 100 * time.Millisecond,
	})
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	published := func(n int64) {
		t.Helper()
		await(t, "all is published", func() bool { return relay.State().Published >= n })
	}
	add(t, d, "s", 3)
	published(3)
	d.backup(t)
	add(t, d, "s", 2)
	add(t, d, "lost", 1)
	published(6)
	d.putBack(t, 0)
	await(t, "the audit says that JetStream is ahead", func() bool { return len(relay.State().Audit.Ahead) > 0 })

	add(t, d, "s", 1)
	add(t, d, "new", 2)
	want := make(map[string]bool)
	for _, ids := range eventsOf(t, d) {
		for _, id := range ids {
			want[id] = true
		}
	}
	sub, err := js.Subscribe(t.Context(), "reader", bumps.Category(), broker.FromFirst)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for len(want) > 0 {
		deliveries, err := sub.Fetch(ctx, 100)
		if err != nil {
			t.Fatalf("%d events of the store are not published: %v; the relay: %+v", len(want), err, relay.State())
		}
		for _, m := range deliveries {
			e, err := cloudevents.Decode(m.Message())
			if err != nil {
				t.Fatal(err)
			}
			delete(want, e.ID)
			if err := m.Ack(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}
