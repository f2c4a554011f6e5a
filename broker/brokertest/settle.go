package brokertest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
)

func comesBack(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 2)...)
	start := time.Now()
	fetch(t, sub, 2)
	again := fetch(t, sub, 2)
	if waited := time.Since(start); waited < soon {
		t.Errorf("came back after %v, before the acknowledgement wait of %v", waited, soon)
	}
	if got := idsOf(again); !slices.Equal(got, []string{"m-0", "m-1"}) {
		t.Errorf("got %q", got)
	}
	ack(t, again...)
}

func finalWords(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 3)...)
	got := fetch(t, sub, 3)
	ack(t, got[0])
	if err := got[1].Term(within(t), "poison"); err != nil {
		t.Fatal(err)
	}
	// The third was delivered last and comes back. By then the others would
	// have come as well.
	expect(t, sub, "m-2")
	expectNothing(t, b, sub, "topic")
}

func inProgress(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	for {
		publish(t, b, batch("topic", "long", 1)...)
		last := time.Now()
		got := fetch(t, sub, 1)
		pause := time.Duration(0)
		// Work for longer than the wait, and say so in time.
		for end := last.Add(soon + soon/2); time.Now().Before(end); {
			if err := got[0].InProgress(within(t)); err != nil {
				t.Fatal(err)
			}
			pause, last = max(pause, time.Since(last)), time.Now()
			time.Sleep(soon / 20)
		}
		if pause = max(pause, time.Since(last)); pause > soon/2 {
			// This machine was too busy to keep the promise to speak in time.
			drain(t, sub, []string{"long-0"})
			continue
		}
		expectNothing(t, b, sub, "topic")
		ack(t, got...)
		return
	}
}

func nakDelay(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 1)...)
	for _, delay := range []time.Duration{0, 300 * time.Millisecond} {
		d := fetch(t, sub, 1)[0]
		start := time.Now()
		if err := d.Nak(within(t), delay); err != nil {
			t.Fatal(err)
		}
		d = fetch(t, sub, 1)[0]
		if waited := time.Since(start); waited < delay {
			t.Errorf("came back after %v, before the delay of %v", waited, delay)
		}
		if d.Message().ID != "m-0" {
			t.Errorf("got %q", d.Message().ID)
		}
		if err := d.Nak(within(t), 0); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, sub, "m-0")
}

func attempts(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	other := subscribe(t, b, "other", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 1)...)
	for want := 1; want <= 4; want++ {
		d := fetch(t, sub, 1)[0]
		if d.Attempt() != want {
			t.Errorf("got attempt %d, want %d", d.Attempt(), want)
		}
		if err := d.Nak(within(t), 0); err != nil {
			t.Fatal(err)
		}
	}
	if d := fetch(t, other, 1)[0]; d.Attempt() != 1 {
		t.Errorf("under the other name: got attempt %d, want 1", d.Attempt())
	}
}

func sequences(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 3)...)
	number := func(d broker.Delivery) uint64 {
		s, ok := d.(broker.Sequenced)
		if !ok {
			t.Skipf("%T is no broker.Sequenced: a dead letter does not say where the message is at the broker", d)
		}
		return s.Sequence()
	}
	seen := make(map[string]uint64)
	last := uint64(0)
	for _, d := range fetch(t, sub, 3) {
		if number(d) <= last {
			t.Errorf("%s has the sequence %d, and the message before it %d", d.Message().ID, number(d), last)
		}
		last = number(d)
		seen[d.Message().ID] = last
		if err := d.Nak(within(t), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range fetch(t, sub, 3) {
		if number(d) != seen[d.Message().ID] {
			t.Errorf("%s has the sequence %d, and had %d before", d.Message().ID, number(d), seen[d.Message().ID])
		}
		ack(t, d)
	}
}

func settleAgain(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 1)...)
	d := fetch(t, sub, 1)[0]
	ctx := within(t)
	ack(t, d)
	for word, err := range map[string]error{
		"Ack":        d.Ack(ctx),
		"Nak":        d.Nak(ctx, 0),
		"Term":       d.Term(ctx, "again"),
		"InProgress": d.InProgress(ctx),
	} {
		if err != nil {
			t.Errorf("%s after Ack: %v", word, err)
		}
	}
	expectNothing(t, b, sub, "topic")
}

func settleConcurrently(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	messages := batch("topic", "m", 200)
	publish(t, b, messages...)
	var wg sync.WaitGroup
	for _, d := range fetch(t, sub, len(messages)) {
		for range 2 {
			wg.Go(func() {
				if err := d.InProgress(within(t)); err != nil {
					t.Errorf("InProgress: %v", err)
				}
				ack(t, d)
			})
		}
	}
	wg.Wait()
	expectNothing(t, b, sub, "topic")
}
