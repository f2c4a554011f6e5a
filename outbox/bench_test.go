package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
)

// benchEvents are in the outbox at a time: each stream has 500.
const benchEvents = 50_000

// source is what the benchmark needs of a store.
type source interface {
	store.Store
	store.Log
	store.Outbox
	store.Identity
}

// gate keeps the relay from what is in the outbox until all of it is there.
type gate struct {
	source
	open atomic.Bool
}

func (g *gate) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	if !g.open.Load() {
		return nil, after, ctx.Err()
	}
	return g.source.Unpublished(ctx, after, limit)
}

// BenchmarkRelayBesideRaw has the relay publish an outbox, and publishes the same
// messages by the client's own asynchronous publishing, in turn. The store and both
// servers sync to the disk as in production. A figure is the raw time of a slice
// divided by the relay's: the median and both quartiles of all slices.
func BenchmarkRelayBesideRaw(b *testing.B) {
	for name, open := range map[string]func(*testing.B) source{"postgres": openPostgres, "sqlite": openSQLite} {
		b.Run(name, func(b *testing.B) { relayBesideRaw(b, open(b)) })
	}
}

func openPostgres(b *testing.B) source {
	pool, err := pgxpool.New(b.Context(), pgtest.Start(b, pgtest.Options{Fsync: true}).URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if err := postgres.Migrate(b.Context(), pool, postgres.Config{}); err != nil {
		b.Fatal(err)
	}
	s, err := postgres.Open(b.Context(), pool, postgres.Config{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func openSQLite(b *testing.B) source {
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(b.TempDir(), "store.db")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	s, err := sqlite.Open(b.Context(), db)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func relayBesideRaw(b *testing.B, s source) {
	br := serve(b, "").broker(b)
	nc := serve(b, "").dial(b)
	if _, err := jetstream.New(b.Context(), nc, jetstream.Config{}); err != nil {
		b.Fatal(err)
	}
	js, err := raw.New(nc, raw.WithPublishAsyncMaxPending(benchEvents))
	if err != nil {
		b.Fatal(err)
	}
	g := &gate{source: s}
	relay := outbox.New(g, br, outbox.Config{MaxPollInterval: time.Millisecond})
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- relay.Run(ctx) }()
	var ratios, rates []float64
	for round := range b.N {
		page := fillOutbox(b, s, round)
		runtime.GC() // neither pays for what the other has left
		ours := drain(b, g, relay, int64(round+1)*benchEvents)
		messages := rawMessages(page)
		runtime.GC()
		start := time.Now()
		rawPublish(b, js, messages)
		theirs := time.Since(start)
		ratios = append(ratios, float64(theirs)/float64(ours))
		rates = append(rates, benchEvents/ours.Seconds())
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	slices.Sort(ratios)
	slices.Sort(rates)
	b.ReportMetric(0, "ns/op") // of both together, and of the preparations
	b.ReportMetric(ratios[len(ratios)/4], "of-raw-q1")
	b.ReportMetric(ratios[len(ratios)/2], "of-raw")
	b.ReportMetric(ratios[len(ratios)*3/4], "of-raw-q3")
	b.ReportMetric(rates[len(rates)/2], "messages/s")
}

// fillOutbox appends the events of a round and returns them as the outbox has them.
func fillOutbox(b *testing.B, s source, round int) []store.Outgoing {
	b.Helper()
	for stream := range benchEvents / 500 {
		events := make([]store.Event, 500)
		for i := range events {
			events[i] = store.Event{
				ID: fmt.Sprintf("01931c5e-7d6a-7c32-%04d-%04d%08d", round, stream, i), Type: "product.repriced",
				ContentType: "application/json", Data: make([]byte, 300), Time: time.Now(),
			}
		}
		if _, err := s.Append(b.Context(), store.Stream{Category: "product", ID: fmt.Sprint("p-", stream)}, store.Any, events); err != nil {
			b.Fatal(err)
		}
	}
	page, _, err := s.Unpublished(b.Context(), 0, benchEvents)
	if err != nil || len(page) != benchEvents {
		b.Fatal(len(page), err)
	}
	return page
}

func rawMessages(page []store.Outgoing) []*nats.Msg {
	messages := make([]*nats.Msg, len(page))
	for i, m := range page {
		encoded := cloudevents.Encode(cloudevents.Event{Message: m.Message, Source: "/bench", History: "9b2e0f8e-35a9-4d0c-8a3b-2f7d10a8c7de", Previous: m.Previous})
		header := nats.Header{"Nats-Msg-Id": {m.ID}, "Eventus-Key": {encoded.Key}}
		for name, value := range encoded.Header {
			header[name] = []string{value}
		}
		messages[i] = &nats.Msg{Subject: "eventus.product." + strconv.Itoa(i%16), Header: header, Data: m.Data}
	}
	return messages
}

// drain returns how long the relay takes to publish and mark a round.
func drain(b *testing.B, g *gate, relay *outbox.Relay, published int64) time.Duration {
	b.Helper()
	start := time.Now()
	g.open.Store(true)
	for relay.State().Published < published {
		time.Sleep(time.Millisecond)
	}
	for relay.State().Position < published {
		time.Sleep(time.Millisecond) // until the last page is marked
	}
	took := time.Since(start)
	g.open.Store(false)
	return took
}

func rawPublish(b *testing.B, js raw.JetStream, messages []*nats.Msg) {
	b.Helper()
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
