package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/brokertest"
	"github.com/eventus-go/eventus/broker/memory"
)

func TestContract(t *testing.T) {
	brokertest.Run(t, func(_ testing.TB, ackWait time.Duration) brokertest.Backend {
		return memory.New(memory.Config{AckWait: ackWait})
	})
}

// In a bubble, times are exact, and a goroutine left behind fails the test.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := memory.New(memory.Config{})
		sub, err := b.Subscribe(ctx, "reader", "topic", broker.FromNow)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(ctx, []broker.Message{{ID: "m", Topic: "topic"}}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		next := func(after time.Duration) broker.Delivery {
			t.Helper()
			got, err := sub.Fetch(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			if d := time.Since(start); d != after {
				t.Fatalf("delivered after %v, want %v", d, after)
			}
			return got[0]
		}
		next(0)
		d := next(30 * time.Second) // the default
		time.Sleep(29 * time.Second)
		if err := d.InProgress(ctx); err != nil {
			t.Fatal(err)
		}
		d = next(89 * time.Second)
		if err := d.Nak(ctx, 7*time.Second); err != nil {
			t.Fatal(err)
		}
		d = next(96 * time.Second)
		if d.Attempt() != 4 {
			t.Errorf("got attempt %d, want 4", d.Attempt())
		}
	})
}

// A member that was too slow speaks no longer for the message.
func TestLateWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := memory.New(memory.Config{AckWait: time.Second})
		sub, err := b.Subscribe(ctx, "reader", "topic", broker.FromNow)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(ctx, []broker.Message{{ID: "m", Topic: "topic"}}); err != nil {
			t.Fatal(err)
		}
		fetch := func() broker.Delivery {
			t.Helper()
			got, err := sub.Fetch(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			return got[0]
		}
		late := fetch()
		start := time.Now()
		fetch() // after one second, by somebody else
		if err := late.Nak(ctx, 0); err != nil {
			t.Fatal(err)
		}
		fetch()
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("delivered after %v: the late Nak took the message from the one who had it", d)
		}
	})
}
