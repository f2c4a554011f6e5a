package jetstream_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// What comes before a refused message is confirmed, and nothing after it is sent.
func TestARefusedMessageIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		stream func(*raw.StreamConfig)
		spoil  func(*broker.Message)
		cure   string
	}{
		"too large for the server": {"max_payload: 64KB", nil,
			func(m *broker.Message) { m.Data = make([]byte, 100<<10) }, "max_payload"},
		"too large for the stream": {"", func(s *raw.StreamConfig) { s.MaxMsgSize = 2000 },
			func(m *broker.Message) { m.Data = make([]byte, 3000) }, "max_msg_size"},
		"headers too large": {"", nil,
			func(m *broker.Message) { m.Header = map[string]string{"h": strings.Repeat("x", 70<<10)} }, "metadata"},
		"a header of NATS": {"", nil,
			func(m *broker.Message) { m.Header = map[string]string{"Nats-Rollup": "all"} }, "another name"},
	} {
		t.Run(name, func(t *testing.T) {
			nc := connect(t, serveFile(t, c.config+"\njetstream {}\n"))
			if c.stream != nil {
				cfg := raw.StreamConfig{Name: "EVENTUS", Subjects: []string{"eventus.>"}, Metadata: map[string]string{"eventus.partitions": "16"}}
				c.stream(&cfg)
				if _, err := rawClient(t, nc).CreateStream(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
			}
			b := open(t, nc, jetstream.Config{})
			messages := numbered("topic", 0, 10)
			c.spoil(&messages[4])
			n, err := b.Publish(t.Context(), messages)
			var refused *broker.RefusedError
			if !errors.As(err, &refused) || !errors.Is(err, broker.ErrRefused) || refused.Index != 4 || n > 4 {
				t.Fatalf("%d confirmed, got %v", n, err)
			}
			if !strings.Contains(err.Error(), c.cure) || refused.ID != messages[4].ID {
				t.Errorf("got %q, want %q in it", err, c.cure)
			}
			publishAll(t, b, slices.Concat(messages[n:4], messages[5:]))
		})
	}
}

func TestAStreamThatLosesMessagesIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*raw.StreamConfig)
		cfg   jetstream.Config
		want  string
	}{
		"max_msgs":             {func(s *raw.StreamConfig) { s.MaxMsgs = 10 }, jetstream.Config{}, "max_msgs 10"},
		"max_bytes":            {func(s *raw.StreamConfig) { s.MaxBytes = 1 << 20 }, jetstream.Config{}, "max_bytes"},
		"max_msgs_per_subject": {func(s *raw.StreamConfig) { s.MaxMsgsPerSubject = 1 }, jetstream.Config{}, "max_msgs_per_subject 1"},
		"max_age":              {func(s *raw.StreamConfig) { s.MaxAge, s.Duplicates = time.Hour, time.Minute }, jetstream.Config{}, "max_age 1h0m0s"},
		"max_age shorter than asked for": {func(s *raw.StreamConfig) { s.MaxAge, s.Duplicates = time.Hour, time.Minute },
			jetstream.Config{MaxAge: 2 * time.Hour}, "2h0m0s"},
		"no_ack": {func(s *raw.StreamConfig) { s.NoAck = true }, jetstream.Config{}, "no_ack"},
		"discard new with no_ack": {func(s *raw.StreamConfig) { s.NoAck, s.Discard, s.MaxMsgs = true, raw.DiscardNew, 10 },
			jetstream.Config{}, "no_ack"},
		"held as asked for": {func(s *raw.StreamConfig) { s.MaxAge, s.Duplicates = time.Hour, time.Minute },
			jetstream.Config{MaxAge: time.Hour}, ""},
		"discard new, which refuses and loses nothing": {func(s *raw.StreamConfig) { s.Discard, s.MaxMsgs = raw.DiscardNew, 10 }, jetstream.Config{}, ""},
		"accepted": {func(s *raw.StreamConfig) { s.MaxMsgs = 10 }, jetstream.Config{AllowLoss: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
			stream := raw.StreamConfig{Name: "EVENTUS", Subjects: []string{"eventus.>"}, Metadata: map[string]string{"eventus.partitions": "16"}}
			c.spoil(&stream)
			if _, err := rawClient(t, nc).CreateStream(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			_, err := jetstream.New(t.Context(), nc, c.cfg)
			if c.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "AllowLoss")) {
				t.Errorf("got %v, want %q and the cure in it", err, c.want)
			}
		})
	}
}

// Names that only their joint tells apart, and names as long as they may be.
func TestConsumersOfTwoSubscriptionsNeverCollide(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	long := strings.Repeat("x", 127)
	pairs := [][2]string{{"orders", "eu-tick"}, {"orders-eu", "tick"}}
	for _, a := range []string{"a", "b"} {
		for _, c := range []string{"a", "b"} {
			pairs = append(pairs, [2]string{long + a, long + c})
		}
	}
	for _, p := range pairs {
		sub, err := b.Subscribe(t.Context(), p[0], p[1], broker.FromNow)
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		defer sub.Close()
	}
	stream, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for name := range stream.ConsumerNames(t.Context()).Name() {
		names[name] = true
	}
	if len(names) != len(pairs) || !names["orders@eu-tick"] {
		t.Errorf("%d consumers for %d subscriptions: %v", len(names), len(pairs), fmt.Sprint(names))
	}
}
