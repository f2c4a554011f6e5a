package jetstream_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

func TestOfStoresThatClaimATopicAtOneTimeOneGetsIt(t *testing.T) {
	srv := serve(t, natsd.Config{Dir: t.TempDir()})
	brokers := make([]*jetstream.Broker, 8)
	for i := range brokers {
		brokers[i] = open(t, connect(t, srv), jetstream.Config{})
	}
	for round := range 10 {
		topic := fmt.Sprint("topic-", round)
		var got atomic.Int64
		var wg sync.WaitGroup
		for i, b := range brokers {
			wg.Go(func() {
				switch err := b.Claim(t.Context(), topic, fmt.Sprint("history-", i)); {
				case err == nil:
					got.Add(1)
				case !errors.Is(err, broker.ErrOwned):
					t.Errorf("claim: %v", err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("%d stores got %s", got.Load(), topic)
		}
	}
}

func TestTheRefusalOfAStrangerNamesBothAndTheCure(t *testing.T) {
	b := open(t, connect(t, serve(t, natsd.Config{Dir: t.TempDir()})), jetstream.Config{})
	if err := b.Claim(t.Context(), "topic", "first"); err != nil {
		t.Fatal(err)
	}
	err := b.Claim(t.Context(), "topic", "second")
	var owned *broker.OwnedError
	if !errors.As(err, &owned) || owned.Owner != "first" || owned.Claimant != "second" {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"first", "second", "EVENTUS", "Config.Prefix"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
}

// What says whose the topic is is no message of the topic, and goes with the
// stream.
func TestAClaimIsSeenByNoSubscriptionAndGoesWithTheStream(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	if err := b.Claim(t.Context(), "topic", "first"); err != nil {
		t.Fatal(err)
	}
	member := &member{t: t, broker: b, start: broker.FromFirst}
	member.subscribe()
	publishAll(t, b, numbered("topic", 0, 1))
	member.receive("topic-000000")
	member.Close()
	if tail, err := b.Last(t.Context(), "topic"); err != nil || len(tail.Messages) != 1 {
		t.Errorf("got %+v, %v", tail, err)
	}

	wipe(t, nc, "EVENTUS")
	err := b.Claim(t.Context(), "topic", "second")
	if err != nil { // the first call finds out that the stream is gone
		err = b.Claim(t.Context(), "topic", "second")
	}
	if err != nil {
		t.Errorf("after the stream was deleted: %v", err)
	}
}

// Max_age takes away what says whose the topic is, like any message. The owner
// renews it before.
func TestAClaimIsRenewedBeforeItsMessageIsTooOld(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{MaxAge: 2 * time.Second, DuplicateWindow: time.Second})
	stream, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	first := uint64(0)
	for sequence := uint64(0); sequence == first; {
		if err := b.Claim(t.Context(), "topic", "first"); err != nil {
			t.Fatal(err)
		}
		m, err := stream.GetLastMsgForSubject(t.Context(), "eventus.topic.owner.history")
		if err != nil {
			t.Fatal(err)
		}
		if sequence = m.Sequence; first == 0 {
			first = sequence
		}
		time.Sleep(10 * time.Millisecond) // until half of MaxAge is over
	}
}

func TestWhatTheBrokerHasIsFoundByPlaceAndToken(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	messages := numbered("topic", 0, 200)
	publishAll(t, b, messages)
	last := make(map[string]broker.Message)
	for _, m := range messages {
		last[b.Place(m.Topic, m.Key)] = m
	}
	tail, err := b.Last(t.Context(), "topic")
	if err != nil || len(tail.Messages) != len(last) || tail.MaxAge != 0 {
		t.Fatalf("%d places, want %d: %v", len(tail.Messages), len(last), err)
	}
	for place, want := range last {
		if got := tail.Messages[place]; got.ID != want.ID || got.Key != want.Key {
			t.Errorf("%s: the last is %+v, want %+v", place, got, want)
		}
		_, token := b.Newest(place)
		got, ok, err := b.Find(t.Context(), place, token)
		if err != nil || !ok || got.ID != want.ID {
			t.Errorf("%s: found %+v, %v, %v, want %s", place, got, ok, err, want.ID)
		}
		for _, token := range []string{"", "0", "x", "100000"} {
			if _, ok, err := b.Find(t.Context(), place, token); ok || err != nil {
				t.Errorf("token %q: %v, %v", token, ok, err)
			}
		}
	}
	// A message of another place is none of this one.
	if _, ok, err := b.Find(t.Context(), "EVENTUS/eventus.topic.99", "1"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// A stream that was deleted and created again between two calls counts from 1.
func TestASequenceThatIsGivenAgainEndsTheSession(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	publishAll(t, b, numbered("topic", 0, 10))
	before := b.Session()
	publishAll(t, b, numbered("topic", 10, 10))
	publishAll(t, b, numbered("topic", 15, 3)) // duplicates
	if b.Session() != before {
		t.Fatal("the session has changed, and nothing has happened")
	}
	wipe(t, nc, "EVENTUS")
	open(t, nc, jetstream.Config{})
	publishAll(t, b, numbered("topic", 20, 1))
	if b.Session() == before {
		t.Error("the session goes on, and the stream is another")
	}
}

func TestWhatIsCalledADuplicateIsConfirmedOnlyIfItIsThere(t *testing.T) {
	nc := connect(t, serve(t, natsd.Config{Dir: t.TempDir()}))
	b := open(t, nc, jetstream.Config{})
	messages := numbered("topic", 0, 20)
	publishAll(t, b, messages)
	stream, err := rawClient(t, nc).Stream(t.Context(), "EVENTUS")
	if err != nil {
		t.Fatal(err)
	}
	count := func(want uint64) {
		t.Helper()
		info, err := stream.Info(t.Context())
		if err != nil || info.State.Msgs != want {
			t.Errorf("%d messages, want %d: %v", info.State.Msgs, want, err)
		}
	}
	publishAll(t, b, messages)
	count(20)

	// A purge takes the messages and leaves the window.
	if err := stream.Purge(t.Context(), raw.WithPurgeSequence(11)); err != nil {
		t.Fatal(err)
	}
	publishAll(t, b, messages)
	member := &member{t: t, broker: b, start: broker.FromFirst}
	member.subscribe()
	var want []string
	for _, m := range append(messages[10:], messages...) {
		want = append(want, m.ID) // their own IDs, whatever the server was told
	}
	member.receive(want...)

	// Another event by the same ID is another event.
	other := messages[3]
	other.Data = []byte("another")
	publishAll(t, b, []broker.Message{other})
	count(31)
}
