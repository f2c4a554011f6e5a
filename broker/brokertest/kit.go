package brokertest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
)

// within bounds what can only hang when the broker is wrong. It is a guard, not
// a promise of speed. It ends well before go test's -timeout, so that the clause
// fails and others have their turn.
func within(t testing.TB) context.Context {
	guard := time.Minute
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := d.Deadline(); ok {
			guard = min(guard, time.Until(deadline)/2)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	t.Cleanup(cancel)
	return ctx
}

// batch returns n messages of topic with the IDs "<prefix>-0", "<prefix>-1", ...
func batch(topic, prefix string, n int) []broker.Message {
	messages := make([]broker.Message, n)
	for i := range messages {
		id := fmt.Sprintf("%s-%d", prefix, i)
		messages[i] = broker.Message{ID: id, Topic: topic, Key: prefix, Data: []byte(id)}
	}
	return messages
}

func publish(t testing.TB, p broker.Publisher, messages ...broker.Message) {
	t.Helper()
	if n, err := p.Publish(within(t), messages); n != len(messages) || err != nil {
		t.Fatalf("Publish confirmed %d of %d messages: %v", n, len(messages), err)
	}
}

func subscribe(t testing.TB, s broker.Subscriber, name, topic string, start broker.Start) broker.Subscription {
	t.Helper()
	sub, err := s.Subscribe(within(t), name, topic, start)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(func() {
		if err := sub.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return sub
}

// fetch returns n deliveries, by as many calls of Fetch as it takes.
func fetch(t testing.TB, sub broker.Subscription, n int) []broker.Delivery {
	t.Helper()
	ctx := within(t)
	var all []broker.Delivery
	for len(all) < n {
		limit := n - len(all)
		got, err := sub.Fetch(ctx, limit)
		if err != nil {
			t.Fatalf("Fetch after %d of %d messages: %v", len(all), n, err)
		}
		if len(got) < 1 || len(got) > limit {
			t.Fatalf("Fetch returned %d messages, want 1 to %d", len(got), limit)
		}
		all = append(all, got...)
	}
	return all
}

func ack(t testing.TB, deliveries ...broker.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		if err := d.Ack(within(t)); err != nil {
			t.Fatalf("Ack: %v", err)
		}
	}
}

// expect fetches and acknowledges as many messages as there are ids, and fails
// unless they are these, in this order.
func expect(t testing.TB, sub broker.Subscription, ids ...string) {
	t.Helper()
	var got []string
	for len(got) < len(ids) {
		deliveries := fetch(t, sub, min(len(ids)-len(got), 100))
		ack(t, deliveries...)
		got = append(got, idsOf(deliveries)...)
	}
	if !slices.Equal(got, ids) {
		t.Fatalf("got %q, want %q", got, ids)
	}
}

// expectNothing fails when a message is at hand. It proves it by a message of
// its own that must be the next.
func expectNothing(t testing.TB, b Backend, sub broker.Subscription, topic string) {
	t.Helper()
	marker := batch(topic, fmt.Sprintf("marker-%d", time.Now().UnixNano()), 1)
	publish(t, b, marker...)
	expect(t, sub, marker[0].ID)
}

func idsOf(deliveries []broker.Delivery) []string {
	ids := make([]string, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.Message().ID
	}
	return ids
}

func ids(messages []broker.Message) []string {
	out := make([]string, len(messages))
	for i, m := range messages {
		out[i] = m.ID
	}
	return out
}

// drain fetches and acknowledges until each id was seen, and returns all ids in
// the order in which they arrived, repeated ones left out.
func drain(t testing.TB, sub broker.Subscription, want []string) []string {
	t.Helper()
	ctx := within(t)
	missing := make(map[string]bool, len(want))
	for _, id := range want {
		missing[id] = true
	}
	var seen []string
	for len(missing) > 0 {
		got, err := sub.Fetch(ctx, 100)
		if err != nil {
			t.Fatalf("Fetch with %d of %d messages missing: %v", len(missing), len(want), err)
		}
		ack(t, got...)
		for _, id := range idsOf(got) {
			if missing[id] {
				delete(missing, id)
				seen = append(seen, id)
			}
		}
	}
	return seen
}
