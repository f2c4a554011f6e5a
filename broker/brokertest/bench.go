package brokertest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventus-go/eventus/broker"
)

// Bench measures a backend, with messages of 300 bytes and the headers of an
// event. Every figure is per message ("messages/s"), whatever an operation
// does.
func Bench(b *testing.B, open Open) {
	for _, publishers := range []int{1, 16} {
		b.Run(fmt.Sprintf("publish 1 message, publishers=%d", publishers), func(b *testing.B) { benchPublish(b, open, publishers, 1) })
	}
	b.Run("publish 100 messages", func(b *testing.B) { benchPublish(b, open, 1, 100) })
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("publish, fetch and ack, %d at a time", n), func(b *testing.B) { benchRoundTrip(b, open, n) })
	}
}

// benchPublish publishes n messages at a time from each publisher.
func benchPublish(b *testing.B, open Open, publishers, n int) {
	backend := open(b, never)
	var done atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for p := range publishers {
		wg.Go(func() {
			messages := payloads(p, n)
			for round := 0; done.Add(1) <= int64(b.N); round++ {
				rename(messages, p, round)
				if _, err := backend.Publish(b.Context(), messages); err != nil {
					b.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "messages/s")
}

// benchRoundTrip publishes n messages at a time, and fetches and acknowledges
// them before the next.
func benchRoundTrip(b *testing.B, open Open, n int) {
	backend := open(b, never)
	sub := subscribe(b, backend, "reader", "product", broker.FromNow)
	messages := payloads(0, n)
	b.ReportAllocs()
	b.ResetTimer()
	for round := range b.N {
		rename(messages, 0, round)
		if _, err := backend.Publish(b.Context(), messages); err != nil {
			b.Fatal(err)
		}
		for missing := n; missing > 0; {
			got, err := sub.Fetch(b.Context(), missing)
			if err != nil {
				b.Fatal(err)
			}
			for _, d := range got {
				if err := d.Ack(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			missing -= len(got)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "messages/s")
}

// payloads returns n messages as a relay sends them.
func payloads(publisher, n int) []broker.Message {
	messages := make([]broker.Message, n)
	for i := range messages {
		messages[i] = broker.Message{
			Topic: "product", Key: fmt.Sprintf("p-%d-%d", publisher, i),
			Header: map[string]string{
				"ce-specversion": "1.0", "ce-type": "product.repriced", "ce-source": "/bench", "ce-subject": "p-1",
				"ce-time": "2024-02-29T12:30:15.123456Z", "content-type": "application/json",
			},
			Data: bytes.Repeat([]byte("x"), 300),
		}
	}
	return messages
}

// rename gives messages IDs that no broker has seen and would drop.
func rename(messages []broker.Message, publisher, round int) {
	for i := range messages {
		messages[i].ID = fmt.Sprintf("%d-%d-%d", publisher, round, i)
	}
}
