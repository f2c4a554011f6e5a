package jetstream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/store"
)

const benchBatch = 500

// events returns a batch as a relay sends it: 300 bytes of data, all headers.
func events(round int) []broker.Message {
	messages := make([]broker.Message, benchBatch)
	for i := range messages {
		messages[i] = cloudevents.Encode(store.Message{
			Event: store.Event{
				ID: fmt.Sprintf("event-%d-%d", round, i), Type: "product.repriced", ContentType: "application/json",
				Data: make([]byte, 300), Time: time.Now(),
			},
			Stream:   store.Stream{Category: "product", ID: fmt.Sprint("p-", i%100)},
			Version:  int64(round + 1),
			Position: int64(round*benchBatch + i),
		}, "/bench")
	}
	return messages
}

// BenchmarkPublish compares a batch by Publish with the same messages by the
// client's own asynchronous publishing.
func BenchmarkPublish(b *testing.B) {
	b.Run("eventus", func(b *testing.B) {
		nc := connect(b, serve(b, natsd.Config{Dir: b.TempDir()}))
		br := open(b, nc, jetstream.Config{})
		perMessage(b, func(round int) {
			messages := events(round)
			b.StartTimer()
			if _, err := br.Publish(b.Context(), messages); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
		})
	})
	b.Run("raw", func(b *testing.B) {
		nc := connect(b, serve(b, natsd.Config{Dir: b.TempDir()}))
		open(b, nc, jetstream.Config{})
		js := rawClient(b, nc)
		perMessage(b, func(round int) {
			messages := rawMessages(events(round))
			b.StartTimer()
			rawPublish(b, js, messages)
			b.StopTimer()
		})
	})
}

// BenchmarkConsume compares Fetch and Ack with the client's Consume and Ack.
func BenchmarkConsume(b *testing.B) {
	filled := func(b *testing.B) (*nats.Conn, *jetstream.Broker) {
		nc := connect(b, serve(b, natsd.Config{Dir: b.TempDir()}))
		br := open(b, nc, jetstream.Config{MaxAckPending: 10 * benchBatch})
		for round := range b.N {
			if _, err := br.Publish(b.Context(), events(round)); err != nil {
				b.Fatal(err)
			}
		}
		return nc, br
	}
	b.Run("eventus", func(b *testing.B) {
		_, br := filled(b)
		sub, err := br.Subscribe(b.Context(), "reader", "product", broker.FromFirst)
		if err != nil {
			b.Fatal(err)
		}
		defer sub.Close()
		b.ResetTimer()
		for n := 0; n < b.N*benchBatch; {
			got, err := sub.Fetch(b.Context(), benchBatch)
			if err != nil {
				b.Fatal(err)
			}
			for _, d := range got {
				if err := d.Ack(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			n += len(got)
		}
		report(b)
	})
	b.Run("raw", func(b *testing.B) {
		nc, _ := filled(b)
		consumer, err := rawClient(b, nc).CreateConsumer(b.Context(), "EVENTUS", raw.ConsumerConfig{
			Durable: "reader", FilterSubject: "eventus.product.*", AckPolicy: raw.AckExplicitPolicy, MaxAckPending: 10 * benchBatch,
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, done := context.WithCancel(b.Context())
		defer done()
		n := 0
		b.ResetTimer()
		consuming, err := consumer.Consume(func(m raw.Msg) {
			if err := m.Ack(); err != nil {
				b.Error(err)
			}
			if n++; n == b.N*benchBatch {
				done()
			}
		}, raw.PullMaxMessages(benchBatch))
		if err != nil {
			b.Fatal(err)
		}
		defer consuming.Stop()
		<-ctx.Done()
		report(b)
	})
}

// perMessage runs publish, which starts and stops the timer, for each round.
func perMessage(b *testing.B, publish func(round int)) {
	b.ReportAllocs()
	b.StopTimer()
	b.ResetTimer()
	for round := range b.N {
		publish(round)
	}
	report(b)
}

func report(b *testing.B) {
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "messages/s")
}

func rawMessages(messages []broker.Message) []*nats.Msg {
	out := make([]*nats.Msg, len(messages))
	for i, m := range messages {
		header := nats.Header{"Nats-Msg-Id": {m.ID}, "Eventus-Key": {m.Key}}
		for name, value := range m.Header {
			header[name] = []string{value}
		}
		out[i] = &nats.Msg{Subject: fmt.Sprint("eventus.product.", i%16), Header: header, Data: m.Data}
	}
	return out
}

func rawPublish(b *testing.B, js raw.JetStream, messages []*nats.Msg) {
	futures := make([]raw.PubAckFuture, len(messages))
	for i, m := range messages {
		var err error
		if futures[i], err = js.PublishMsgAsync(m); err != nil {
			b.Fatal(err)
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			b.Fatal(err)
		}
	}
}
