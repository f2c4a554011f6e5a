package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/brokertest"
	"github.com/eventus-go/eventus/broker/memory"
)

func TestContract(t *testing.T) { brokertest.Run(t, open) }

func BenchmarkContract(b *testing.B) { brokertest.Bench(b, open) }

func open(_ testing.TB, ackWait time.Duration) brokertest.Backend {
	return memory.New(memory.Config{AckWait: ackWait})
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

// Whoever waits hears of what becomes due before its time. In a bubble nobody
// else could wake it.
func TestWaitingFetchesAreWoken(t *testing.T) {
	for name, wake := range map[string]func(*memory.Broker, broker.Subscription, broker.Delivery) error{
		"by Publish": func(b *memory.Broker, _ broker.Subscription, _ broker.Delivery) error {
			_, err := b.Publish(t.Context(), []broker.Message{{ID: "m", Topic: "topic"}})
			return err
		},
		"by Nak": func(_ *memory.Broker, _ broker.Subscription, d broker.Delivery) error {
			return d.Nak(t.Context(), 0)
		},
		"by Close of another member": func(_ *memory.Broker, other broker.Subscription, _ broker.Delivery) error {
			return other.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Config{})
				var members [2]broker.Subscription
				for i := range members {
					sub, err := b.Subscribe(t.Context(), "reader", "topic", broker.FromNow)
					if err != nil {
						t.Fatal(err)
					}
					members[i] = sub
				}
				if _, err := b.Publish(t.Context(), []broker.Message{{ID: "m", Topic: "topic"}}); err != nil {
					t.Fatal(err)
				}
				held, err := members[0].Fetch(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				woken := make(chan time.Duration)
				go func() {
					if _, err := members[1].Fetch(t.Context(), 1); err != nil {
						t.Error(err)
					}
					woken <- time.Since(start)
				}()
				synctest.Wait()
				if err := wake(b, members[0], held[0]); err != nil {
					t.Fatal(err)
				}
				if d := <-woken; d != 0 {
					t.Errorf("woken after %v, by the acknowledgement wait", d)
				}
			})
		})
	}
}
