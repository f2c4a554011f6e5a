package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/eventus-go/eventus/broker"
)

// auditor is the backend as an auditor, if it is one.
func auditor(t *testing.T, b Backend) broker.Auditor {
	t.Helper()
	a, ok := b.(broker.Auditor)
	if !ok {
		t.Skipf("%T is no broker.Auditor: no relay finds out what it has lost", b)
	}
	return a
}

// spread publishes messages of many keys and returns the last of each place.
func spread(t *testing.T, b Backend, a broker.Auditor, topic, prefix string) map[string]broker.Message {
	t.Helper()
	messages := batch(topic, prefix, 100)
	last := make(map[string]broker.Message)
	for i := range messages {
		messages[i].Key = fmt.Sprint("key-", i%20)
		last[a.Place(topic, messages[i].Key)] = messages[i]
	}
	publish(t, b, messages...)
	return last
}

func lastOfEachPlace(t *testing.T, b Backend) {
	a := auditor(t, b)
	if tail, err := a.Last(within(t), "topic"); err != nil || len(tail.Messages) != 0 {
		t.Errorf("before the first message: %+v, %v", tail, err)
	}
	spread(t, b, a, "topic", "first")
	want := spread(t, b, a, "topic", "second")
	spread(t, b, a, "topic-2", "other")
	tail, err := a.Last(within(t), "topic")
	if err != nil {
		t.Fatal(err)
	}
	if len(tail.Messages) != len(want) {
		t.Errorf("%d places, want %d", len(tail.Messages), len(want))
	}
	for place, m := range want {
		if got := tail.Messages[place]; got.ID != m.ID || got.Key != m.Key || !slices.Equal(got.Data, m.Data) {
			t.Errorf("the last at %s is %+v, want %+v", place, got, m)
		}
	}
}

func foundByToken(t *testing.T, b Backend) {
	a := auditor(t, b)
	if id, token := a.Newest(a.Place("topic", "key-0")); id != "" || token != "" {
		t.Errorf("the newest is %q at %q before the first message", id, token)
	}
	type kept struct {
		place, token, id string
	}
	var all []kept
	for _, prefix := range []string{"first", "second"} {
		for place, m := range spread(t, b, a, "topic", prefix) {
			id, token := a.Newest(place)
			if id != m.ID {
				t.Errorf("the newest at %s is %q, want %q", place, id, m.ID)
			}
			all = append(all, kept{place, token, id})
		}
	}
	for _, k := range all {
		if m, ok, err := a.Find(within(t), k.place, k.token); err != nil || !ok || m.ID != k.id {
			t.Errorf("%s at %s: found %q, %v, %v, want %q", k.token, k.place, m.ID, ok, err, k.id)
		}
	}
	for _, token := range []string{"", "0", "nonsense", "123456789"} {
		if _, ok, err := a.Find(within(t), all[0].place, token); ok || err != nil {
			t.Errorf("%q: found %v, %v", token, ok, err)
		}
	}
}

func sessionStays(t *testing.T, b Backend) {
	a := auditor(t, b)
	before := a.Session()
	for _, prefix := range []string{"first", "second", "second", "third"} {
		publish(t, b, batch("topic", prefix, 50)...)
	}
	if after := a.Session(); after != before {
		t.Errorf("the session was %d and is %d, and nothing was lost", before, after)
	}
}

func refusedIsNamed(t *testing.T, b Backend) {
	messages := batch("topic", "m", 5)
	messages[3].Header = map[string]string{"a b": "c"}
	n, err := b.Publish(within(t), messages)
	var refused *broker.RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, broker.ErrRefused) || n != 0 || refused.Index != 3 || refused.ID != "m-3" {
		t.Errorf("%d confirmed, got %v", n, err)
	}
}
