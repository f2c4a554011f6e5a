package brokertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/broker"
)

func badNames(t *testing.T, b Backend) {
	for _, bad := range []string{"", "a.b", "*", ">", "a b", "ä", "a\x00", strings.Repeat("x", 129)} {
		if _, err := b.Subscribe(within(t), bad, "topic", broker.FromNow); err == nil {
			t.Errorf("the name %q is accepted", bad)
		}
		if _, err := b.Subscribe(within(t), "name", bad, broker.FromNow); err == nil {
			t.Errorf("the topic %q is accepted", bad)
		}
	}
	longest := strings.Repeat("x", 128)
	sub := subscribe(t, b, longest, longest, broker.FromNow)
	messages := batch(longest, "m", 1)
	publish(t, b, messages...)
	expect(t, sub, ids(messages)...)
}

// The names and topics are such that glueing them together makes two of one.
func topicsOfOneName(t *testing.T, b Backend) {
	pairs := [][2]string{{"reader", "topic"}, {"reader", "other"}, {"reader", "eu-topic"}, {"reader-eu", "topic"}, {"reader_eu", "topic"}}
	subs := make([]broker.Subscription, len(pairs))
	for i, p := range pairs {
		subs[i] = subscribe(t, b, p[0], p[1], broker.FromNow)
	}
	for _, topic := range []string{"topic", "other", "eu-topic"} {
		publish(t, b, batch(topic, topic, 2)...)
	}
	for i, p := range pairs {
		expect(t, subs[i], p[1]+"-0", p[1]+"-1")
		if err := subs[i].Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func topicsApart(t *testing.T, b Backend) {
	topics := []string{"a", "ab", "a-b", "A", "a_", "0"}
	var all []broker.Message
	subs := make(map[string]broker.Subscription)
	for _, topic := range topics {
		subs[topic] = subscribe(t, b, "reader-"+topic, topic, broker.FromNow)
		all = append(all, batch(topic, topic, 3)...)
	}
	publish(t, b, all...)
	for _, topic := range topics {
		expect(t, subs[topic], topic+"-0", topic+"-1", topic+"-2")
		expectNothing(t, b, subs[topic], topic)
	}
}

func starts(t *testing.T, b Backend) {
	publish(t, b, batch("topic", "before", 3)...)
	now := subscribe(t, b, "now", "topic", broker.FromNow)
	first := subscribe(t, b, "first", "topic", broker.FromFirst)
	publish(t, b, batch("topic", "after", 2)...)
	expect(t, now, "after-0", "after-1")
	expect(t, first, "before-0", "before-1", "before-2", "after-0", "after-1")
}

func goesOn(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "first", 2)...)
	expect(t, sub, "first-0", "first-1")
	if err := sub.Close(); err != nil {
		t.Fatal(err)
	}
	publish(t, b, batch("topic", "unattended", 2)...)
	sub = subscribe(t, b, "reader", "topic", broker.FromNow)
	expect(t, sub, "unattended-0", "unattended-1")
	if err := sub.Close(); err != nil {
		t.Fatal(err)
	}
	sub = subscribe(t, b, "reader", "topic", broker.FromFirst)
	publish(t, b, batch("topic", "last", 1)...)
	expect(t, sub, "last-0")
}

func membersShare(t *testing.T, b Backend) {
	const n = 400
	members := []broker.Subscription{
		subscribe(t, b, "reader", "topic", broker.FromNow),
		subscribe(t, b, "reader", "topic", broker.FromNow),
	}
	messages := batch("topic", "m", n)
	var mu sync.Mutex
	var got []string
	var share [2]int // of each member
	done, finish := context.WithCancel(within(t))
	defer finish()
	var wg sync.WaitGroup
	for member, sub := range members {
		wg.Go(func() {
			for {
				deliveries, err := sub.Fetch(done, 7)
				if err != nil {
					if done.Err() == nil { // else the other member had the last one
						t.Errorf("Fetch: %v", err)
					}
					return
				}
				ack(t, deliveries...)
				mu.Lock()
				got = append(got, idsOf(deliveries)...)
				share[member] += len(deliveries)
				finished := len(got) >= n
				mu.Unlock()
				if finished {
					finish()
					return
				}
			}
		})
	}
	publish(t, b, messages...)
	wg.Wait()
	slices.Sort(got)
	want := ids(messages)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("both together got %d messages %q, want each of %d once", len(got), got, n)
	}
	// Had each member messages of its own, then the one that got fewer would
	// have some left.
	busy, idle := members[0], members[1]
	if share[0] < share[1] {
		busy, idle = idle, busy
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	expectNothing(t, b, idle, "topic")
}

func namesGetAll(t *testing.T, b Backend) {
	one := subscribe(t, b, "one", "topic", broker.FromNow)
	two := subscribe(t, b, "two", "topic", broker.FromNow)
	messages := batch("topic", "m", 20)
	publish(t, b, messages...)
	expect(t, one, ids(messages)...)
	expect(t, two, ids(messages)...)
}
