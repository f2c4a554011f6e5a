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
		messages[i] = cloudevents.Encode(cloudevents.Event{Source: "/bench", Message: store.Message{
			Event: store.Event{
				ID: fmt.Sprintf("event-%d-%d", round, i), Type: "product.repriced", ContentType: "application/json",
				Data: make([]byte, 300), Time: time.Now(),
			},
			Stream:   store.Stream{Category: "product", ID: fmt.Sprint("p-", i%100)},
			Version:  int64(round + 1),
			Position: int64(round*benchBatch + i),
		}})
	}
	return messages
}

// BenchmarkPublishBesideRaw publishes a batch by Publish, and the same messages
// by the client's own asynchronous publishing, in turn.
func BenchmarkPublishBesideRaw(b *testing.B) {
	br := open(b, connect(b, serve(b, natsd.Config{Dir: b.TempDir()})), jetstream.Config{})
	nc := connect(b, serve(b, natsd.Config{Dir: b.TempDir()}))
	open(b, nc, jetstream.Config{})
	js := rawClient(b, nc)
	var ours, theirs time.Duration
	for round := range b.N {
		messages := events(round)
		ours += elapsed(func() {
			if _, err := br.Publish(b.Context(), messages); err != nil {
				b.Fatal(err)
			}
		})
		same := rawMessages(messages)
		theirs += elapsed(func() { rawPublish(b, js, same) })
	}
	report(b, ours, theirs)
}

// BenchmarkConsumeBesideRaw consumes messages by Fetch and Ack, and the same ones
// under another name by the client's own Consume and Ack, which as the second
// finds them in the server's cache.
func BenchmarkConsumeBesideRaw(b *testing.B) {
	nc := connect(b, serve(b, natsd.Config{Dir: b.TempDir()}))
	br := open(b, nc, jetstream.Config{MaxAckPending: 10 * benchBatch})
	for round := range b.N {
		if _, err := br.Publish(b.Context(), events(round)); err != nil {
			b.Fatal(err)
		}
	}
	sub, err := br.Subscribe(b.Context(), "reader", "product", broker.FromFirst)
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	ours := elapsed(func() {
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
	})
	consumer, err := rawClient(b, nc).CreateConsumer(b.Context(), "EVENTUS", raw.ConsumerConfig{
		Durable: "raw", FilterSubject: "eventus.product.*", AckPolicy: raw.AckExplicitPolicy, MaxAckPending: 10 * benchBatch,
	})
	if err != nil {
		b.Fatal(err)
	}
	report(b, ours, elapsed(func() { rawConsume(b, consumer, b.N*benchBatch) }))
}

func elapsed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// report gives the speed as a part of the client's own: at 1.00 nothing is lost.
// What a message costs by itself is in BenchmarkContract.
func report(b *testing.B, ours, theirs time.Duration) {
	b.ReportMetric(0, "ns/op") // of both together, and of the preparations
	b.ReportMetric(float64(theirs)/float64(ours), "of-raw")
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

func rawConsume(b *testing.B, consumer raw.Consumer, n int) {
	ctx, done := context.WithCancel(b.Context())
	defer done()
	consuming, err := consumer.Consume(func(m raw.Msg) {
		if err := m.Ack(); err != nil {
			b.Error(err)
		}
		if n--; n == 0 {
			done()
		}
	}, raw.PullMaxMessages(benchBatch))
	if err != nil {
		b.Fatal(err)
	}
	defer consuming.Stop()
	<-ctx.Done()
}
