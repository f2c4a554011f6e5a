package brokertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
)

func fetchLimit(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	messages := batch("topic", "m", 10)
	publish(t, b, messages...)
	var got []string
	for len(got) < 8 {
		deliveries, err := sub.Fetch(within(t), 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(deliveries) < 1 || len(deliveries) > 3 {
			t.Fatalf("Fetch of 3 returned %d", len(deliveries))
		}
		ack(t, deliveries...)
		got = append(got, idsOf(deliveries)...)
	}
	// A limit above what is at hand does not wait for more.
	if rest := 10 - len(got); rest > 0 {
		deliveries := fetchWithin(t, sub, 1000, rest)
		got = append(got, idsOf(deliveries)...)
	}
	if !slices.Equal(got, ids(messages)) {
		t.Errorf("got %q", got)
	}
}

// fetchWithin fetches n messages under a limit that is larger than n.
func fetchWithin(t *testing.T, sub broker.Subscription, limit, n int) []broker.Delivery {
	t.Helper()
	var all []broker.Delivery
	for len(all) < n {
		deliveries, err := sub.Fetch(within(t), limit)
		if err != nil {
			t.Fatal(err)
		}
		ack(t, deliveries...)
		all = append(all, deliveries...)
	}
	return all
}

func fetchBadLimit(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	for _, limit := range []int{0, -1} {
		if _, err := sub.Fetch(within(t), limit); err == nil {
			t.Errorf("a limit of %d is accepted", limit)
		}
	}
	expectNothing(t, b, sub, "topic")
}

func fetchWaits(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	got := make(chan []broker.Delivery, 1)
	go func() {
		deliveries, err := sub.Fetch(within(t), 10)
		if err != nil {
			t.Errorf("Fetch: %v", err)
		}
		got <- deliveries
	}()
	time.Sleep(10 * time.Millisecond) // either order is right; mostly, Fetch waits by now
	publish(t, b, batch("topic", "m", 1)...)
	if deliveries := <-got; len(deliveries) != 1 || deliveries[0].Message().ID != "m-0" {
		t.Errorf("got %q", idsOf(deliveries))
	}
}

func fetchCancelled(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	ctx, cancel := context.WithCancel(within(t))
	time.AfterFunc(10*time.Millisecond, cancel)
	if got, err := sub.Fetch(ctx, 10); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch while waiting: got %q, %v", idsOf(got), err)
	}
	publish(t, b, batch("topic", "m", 1)...)
	if got, err := sub.Fetch(ctx, 10); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch with a context that had ended: got %q, %v", idsOf(got), err)
	}
	expect(t, sub, "m-0")
}

// fetchLosesNothing sends one message after the other, each when the one before
// was seen and in the course of a Fetch whose context ends about then. A broker
// that has all of them at hand would never be in that race.
func fetchLosesNothing(t *testing.T, b Backend) {
	const n = 200
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	messages := batch("topic", "m", n)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	seen := make(map[string]bool)
	ctx := within(t)
	for round, sent := 0, 0; len(seen) < n; round++ {
		// From hopeless to ample: some calls end before they ask, some while
		// the message is on its way.
		patience := time.Duration(round%20) * 50 * time.Microsecond
		short, cancel := context.WithTimeout(ctx, patience)
		if sent == len(seen) {
			next := messages[sent : sent+1]
			sent++
			publishing.Add(1)
			time.AfterFunc(patience*time.Duration(sent%5)/4, func() {
				defer publishing.Done()
				if _, err := b.Publish(ctx, next); err != nil {
					t.Errorf("Publish: %v", err)
				}
			})
		}
		got, err := sub.Fetch(short, 3)
		cancel()
		switch {
		case ctx.Err() != nil:
			t.Fatalf("after %d of %d messages the next was lost", len(seen), n)
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			t.Fatal(err)
		case err != nil && len(got) > 0:
			t.Fatalf("Fetch returned messages and %v", err)
		}
		for _, d := range got {
			seen[d.Message().ID] = true
		}
		ack(t, got...)
	}
}
