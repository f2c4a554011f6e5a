package jetstream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

func TestStreamIsMadeOnceAndJoinedAfterwards(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	open(t, nc, jetstream.Config{})
	// Another program may differ in what does not matter to messages.
	open(t, nc, jetstream.Config{MaxAge: time.Hour, AckWait: time.Minute})

	info, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	cfg := info.CachedInfo().Config
	if cfg.Storage != raw.FileStorage || cfg.Retention != raw.LimitsPolicy || cfg.MaxAge != 0 ||
		cfg.Replicas != 1 || cfg.Duplicates != 2*time.Minute || fmt.Sprint(cfg.Subjects) != "[eventus.>]" {
		t.Errorf("got %+v", cfg)
	}
}

func TestAStreamWithOtherSettingsIsRefused(t *testing.T) {
	fits := raw.StreamConfig{
		Name: "EVENTUS", Subjects: []string{"eventus.>"}, Storage: raw.FileStorage, Retention: raw.LimitsPolicy,
		Metadata: map[string]string{"eventus.partitions": "16"},
	}
	for name, c := range map[string]struct {
		spoil func(*raw.StreamConfig)
		want  string
	}{
		"subjects":   {func(s *raw.StreamConfig) { s.Subjects = []string{"other.>"} }, "subjects"},
		"more":       {func(s *raw.StreamConfig) { s.Subjects = append(s.Subjects, "b") }, "subjects"},
		"storage":    {func(s *raw.StreamConfig) { s.Storage = raw.MemoryStorage }, "storage"},
		"retention":  {func(s *raw.StreamConfig) { s.Retention = raw.WorkQueuePolicy }, "retention"},
		"partitions": {func(s *raw.StreamConfig) { s.Metadata = map[string]string{"eventus.partitions": "8"} }, "partitions"},
		"foreign":    {func(s *raw.StreamConfig) { s.Metadata = nil }, "partitions"},
		"overlap":    {func(s *raw.StreamConfig) { s.Name = "OTHER" }, "subjects overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
			js := rawClient(t, nc)
			cfg := fits
			c.spoil(&cfg)
			if _, err := js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if _, err := jetstream.New(t.Context(), nc, jetstream.Config{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			stream, err := js.Stream(t.Context(), cfg.Name)
			if err != nil {
				t.Fatal(err)
			}
			if got := stream.CachedInfo().Config; fmt.Sprint(got.Subjects) != fmt.Sprint(cfg.Subjects) ||
				got.Metadata["eventus.partitions"] != cfg.Metadata["eventus.partitions"] {
				t.Errorf("the stream was changed: %+v", got)
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	for want, cfg := range map[string]jetstream.Config{
		"Config.Stream":     {Stream: "a.b"},
		"Config.Prefix":     {Prefix: "a.*"},
		"Config.Partitions": {Partitions: 257},
		"1 to 256":          {Partitions: -1},
		"negative":          {AckWait: -1},
	} {
		if _, err := jetstream.New(t.Context(), nc, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q in it", cfg, err, want)
		}
	}
	if _, err := jetstream.New(t.Context(), nil, jetstream.Config{}); err == nil {
		t.Error("a nil connection is accepted")
	}
}

func TestAConsumerWithOtherSettingsIsRefused(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	js := rawClient(t, nc)
	for name, cfg := range map[string]raw.ConsumerConfig{
		"no-filter":  {AckPolicy: raw.AckExplicitPolicy},
		"filter":     {AckPolicy: raw.AckExplicitPolicy, FilterSubject: "eventus.other.*"},
		"no-ack":     {AckPolicy: raw.AckNonePolicy, FilterSubject: "eventus.topic.*"},
		"gives-up":   {AckPolicy: raw.AckExplicitPolicy, FilterSubject: "eventus.topic.*", MaxDeliver: 3},
		"two-topics": {AckPolicy: raw.AckExplicitPolicy, FilterSubjects: []string{"eventus.topic.*", "eventus.other.*"}},
	} {
		cfg.Durable = name + "@topic"
		if _, err := js.CreateConsumer(t.Context(), "EVENTUS", cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Subscribe(t.Context(), name, "topic", broker.FromNow); err == nil || !strings.Contains(err.Error(), "take another name") {
			t.Errorf("%s: got %v, want the cure in it", name, err)
		}
	}
}

// JetStream keeps every subject in memory.
func TestSubjectsAreBounded(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{Partitions: 7})
	messages := make([]broker.Message, 10_000)
	for i := range messages {
		messages[i] = broker.Message{Topic: "topic", Key: fmt.Sprint("key-", i)}
	}
	if n, err := b.Publish(t.Context(), messages); err != nil {
		t.Fatal(n, err)
	}
	stream, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.NumSubjects != 7 || state.Msgs != 10_000 {
		t.Errorf("got %d subjects, %d messages", state.NumSubjects, state.Msgs)
	}
}
