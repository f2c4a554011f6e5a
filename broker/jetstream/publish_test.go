package jetstream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/store"
)

// What we publish, a plain NATS client reads.
func TestOnTheWire(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	m := cloudevents.Encode(cloudevents.Event{Source: "/shop", History: "h-1", Previous: "e-0", Message: store.Message{
		Event: store.Event{
			ID: "e 1", Type: "product.created", ContentType: "application/json", Data: []byte(`{}`),
			Time:     time.Date(2026, 3, 1, 12, 30, 0, 5000, time.UTC),
			Metadata: store.Metadata{Fields: map[string]string{"traceparent": "00-1-2-01"}},
		},
		Stream: store.Stream{Category: "product", ID: "p.1/ä"}, Version: 3, Position: 7,
	}})
	if _, err := b.Publish(t.Context(), []broker.Message{m}); err != nil {
		t.Fatal(err)
	}
	stream, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	got, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := nats.Header{
		"Nats-Msg-Id":        {"e%201"},
		"Eventus-Key":        {"p.1%2F%C3%A4"},
		"ce-specversion":     {"1.0"},
		"ce-id":              {"e%201"},
		"ce-type":            {"product.created"},
		"ce-source":          {"/shop"},
		"ce-history":         {"h-1"},
		"ce-previous":        {"e-0"},
		"ce-time":            {"2026-03-01T12:30:00.000005Z"},
		"ce-subject":         {"p.1/%C3%A4"},
		"ce-datacontenttype": {"application/json"},
		"ce-streamversion":   {"3"},
		"ce-position":        {"7"},
		"ce-traceparent":     {"00-1-2-01"},
		"traceparent":        {"00-1-2-01"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
	if got.Subject != "eventus.product.4" { // FNV-1a: where a key goes never changes
		t.Errorf("got subject %s", got.Subject)
	}
}

// The event whose headers grow the most by their encoding: what a store accepts,
// the server must not refuse.
func TestTheLargestHeadersArePublished(t *testing.T) {
	b := open(t, connect(t, serve(t, natsd.Config{Dir: t.TempDir()})), jetstream.Config{})
	sub, err := b.Subscribe(t.Context(), "reader", strings.Repeat("c", store.MaxName), broker.FromNow)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	umlauts := func(bytes int) string { return strings.Repeat("ä", bytes/2) }
	trace := umlauts(4 << 10)
	want := cloudevents.Event{Source: umlauts(store.MaxName), History: strings.Repeat("h", 36), Previous: umlauts(store.MaxName), Message: store.Message{
		Event: store.Event{
			ID: umlauts(store.MaxName), Type: umlauts(store.MaxName), ContentType: umlauts(store.MaxName),
			Data: make([]byte, store.MaxData), Time: time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.UTC),
			Metadata: store.Metadata{Fields: map[string]string{
				"traceparent": trace, // sent twice
				"k":           strings.Repeat(`"`, store.MaxMetadata-len(trace)-len("traceparent")-8-len("k")-8),
			}},
		},
		Stream:  store.Stream{Category: strings.Repeat("c", store.MaxName), ID: umlauts(store.MaxID)},
		Version: 1<<63 - 1, Position: 1<<63 - 1,
	}}
	if err := store.CheckAppend(want.Stream, store.Any, []store.Event{want.Event}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), []broker.Message{cloudevents.Encode(want)}); err != nil {
		t.Fatal(err)
	}
	deliveries, err := sub.Fetch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cloudevents.Decode(deliveries[0].Message())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a plain NATS client publishes, we read.
func TestForeignProducer(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	sub, err := b.Subscribe(t.Context(), "reader", "product", broker.FromNow)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	// One that looks like a word of the server.
	m := &nats.Msg{Subject: "eventus.product.x", Header: nats.Header{
		"Nats-Msg-Id": {"100%"}, "Status": {"404"}, "ce-id": {"a", "b"},
	}}
	if _, err := rawClient(t, nc).PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := sub.Fetch(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	want := broker.Message{ID: "100%", Topic: "product", Header: map[string]string{"ce-id": "a"}, Data: []byte{}}
	if diff := cmp.Diff(want, got[0].Message()); diff != "" {
		t.Error(diff)
	}
}

// "Nats-Rollup: all" would purge the stream.
func TestPublishRefusesTheServersHeaders(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	for _, name := range []string{"Nats-Rollup", "nats-ttl", "Status", "Description", "Eventus-Key"} {
		m := broker.Message{Topic: "topic", Header: map[string]string{name: "all"}}
		if n, err := b.Publish(t.Context(), []broker.Message{{Topic: "topic"}, m}); n != 0 || err == nil {
			t.Errorf("%s: got %d, %v", name, n, err)
		}
	}
}

func TestPublishDropsRepeatedIDs(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	for range 2 {
		if n, err := b.Publish(t.Context(), numbered("topic", 0, 5)); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n := stored(t, nc); n != 5 {
		t.Errorf("got %d messages, want 5", n)
	}
}

func TestPublishConfirmsWhatCameBeforeABadMessage(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	for name, c := range map[string]struct {
		bad  broker.Message
		want error
	}{
		"refused by the client": {broker.Message{Data: make([]byte, 2<<20)}, nats.ErrMaxPayload},
		"refused by the server": {broker.Message{Header: map[string]string{"big": strings.Repeat("x", 64<<10)}}, &raw.APIError{ErrorCode: 10097}},
	} {
		messages := numbered(name[len("refused by the "):], 0, 600)
		messages[550].Data, messages[550].Header = c.bad.Data, c.bad.Header
		n, err := b.Publish(t.Context(), messages)
		if n != 550 || !errors.Is(err, c.want) || !strings.Contains(err.Error(), messages[550].ID) {
			t.Errorf("%s: got %d, %v", name, n, err)
		}
		// And the next call works.
		if n, err := b.Publish(t.Context(), messages[551:]); n != 49 || err != nil {
			t.Errorf("%s: the call after: got %d, %v", name, n, err)
		}
	}
}

func TestPublishFindsTheStreamAgainAfterItWasDeleted(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{Stream: "LOST"})
	wipe(t, nc, "LOST")
	n, err := b.Publish(t.Context(), numbered("topic", 0, 1))
	if n != 0 || !errors.Is(err, raw.ErrNoStreamResponse) {
		t.Fatalf("got %d, %v", n, err)
	}
	publishAll(t, b, numbered("topic", 0, 1))
}

// Subjects of ours that another stream took, for example after ours was
// deleted.
func TestPublishRefusesConfirmationsOfAnotherStream(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{Stream: "LOST"})
	wipe(t, nc, "LOST")
	cfg := raw.StreamConfig{Name: "OTHER", Subjects: []string{"eventus.>"}}
	for {
		_, err := rawClient(t, nc).CreateStream(t.Context(), cfg)
		if err == nil {
			break
		}
		// Until the files of the other one are gone.
		if !errors.Is(err, &raw.APIError{ErrorCode: 10049}) {
			t.Fatal(err)
		}
	}
	if n, err := b.Publish(t.Context(), numbered("topic", 0, 1)); n != 0 || err == nil || !strings.Contains(err.Error(), "OTHER") {
		t.Errorf("got %d, %v", n, err)
	}
}

// Nothing of a Publish that failed is sent when the server comes back, not even
// by a client with a buffer for that.
func TestPublishSendsNothingBehindTheCallersBack(t *testing.T) {
	dir := t.TempDir()
	srv := serve(t, natsd.Config{Dir: dir, Addr: "127.0.0.1:0"})
	addr := strings.TrimPrefix(srv.URL(), "nats://")
	nc, err := nats.Connect(srv.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b := open(t, nc, jetstream.Config{})
	reconnected := nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	srv.Shutdown()
	<-reconnected
	if n, err := b.Publish(t.Context(), numbered("topic", 0, 3)); n != 0 || !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("got %d, %v", n, err)
	}
	serve(t, natsd.Config{Dir: dir, Addr: addr})
	<-reconnected
	if err := nc.FlushWithContext(t.Context()); err != nil && !errors.Is(err, nats.ErrNoDeadlineContext) {
		t.Fatal(err)
	}
	if n := stored(t, nc); n != 0 {
		t.Errorf("%d messages were sent after the call", n)
	}
}

// numbered returns n messages with three keys; IDs tell topic and place.
func numbered(topic string, from, n int) []broker.Message {
	messages := make([]broker.Message, n)
	for i := range messages {
		messages[i] = broker.Message{ID: fmt.Sprintf("%s-%06d", topic, from+i), Topic: topic, Key: fmt.Sprint("key-", i%3)}
	}
	return messages
}

func stored(t testing.TB, nc *nats.Conn) uint64 {
	t.Helper()
	stream, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}
