package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
)

func publishConfirmsAll(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	messages := batch("topic", "m", 2000)
	publish(t, b, messages...)
	expect(t, sub, ids(messages)...)
}

func publishNothing(t *testing.T, b Backend) {
	if n, err := b.Publish(within(t), nil); n != 0 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
}

func publishRefuses(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	for name, bad := range map[string]broker.Message{
		"topic":        {ID: "bad", Topic: "to.pic"},
		"wildcard":     {ID: "bad", Topic: ">"},
		"header name":  {ID: "bad", Topic: "topic", Header: map[string]string{"a b": "c"}},
		"header value": {ID: "bad", Topic: "topic", Header: map[string]string{"a": "b\r\nc: d"}},
	} {
		n, err := b.Publish(within(t), append(batch("topic", "good", 2), bad))
		if n != 0 || err == nil {
			t.Errorf("%s: got %d, %v", name, n, err)
		}
	}
	expectNothing(t, b, sub, "topic")
}

func publishPrefix(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	messages := batch("topic", "m", 5000)
	rest := messages
	for patience := time.Duration(0); len(rest) > 0; patience += time.Millisecond {
		ctx, cancel := context.WithTimeout(within(t), patience)
		n, err := b.Publish(ctx, rest)
		cancel()
		if n < 0 || n > len(rest) || (err == nil) != (n == len(rest)) {
			t.Fatalf("Publish confirmed %d of %d with error %v", n, len(rest), err)
		}
		rest = rest[n:]
	}
	// Repeated messages come after the first of their kind, so that without
	// them the order is that of publishing.
	if got := drain(t, sub, ids(messages)); !slices.Equal(got, ids(messages)) {
		t.Errorf("order of first arrival: %q", got)
	}
}

func orderWithinKey(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	want := make(map[string][]string)
	for round := range 10 {
		var messages []broker.Message
		for i := range 60 {
			key := fmt.Sprint("key-", i%7)
			m := broker.Message{ID: fmt.Sprintf("%s-%d-%d", key, round, i), Topic: "topic", Key: key}
			messages = append(messages, m)
			want[key] = append(want[key], m.ID)
		}
		publish(t, b, messages...)
	}
	got := make(map[string][]string)
	for _, d := range fetch(t, sub, 600) {
		got[d.Message().Key] = append(got[d.Message().Key], d.Message().ID)
		ack(t, d)
	}
	for key := range want {
		if !slices.Equal(got[key], want[key]) {
			t.Errorf("%s: got %q, want %q", key, got[key], want[key])
		}
	}
}

func concurrently(t *testing.T, b Backend) {
	const publishers, each = 8, 250
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	var want []string
	var wg sync.WaitGroup
	for p := range publishers {
		messages := batch("topic", fmt.Sprint("p", p), each)
		want = append(want, ids(messages)...)
		wg.Go(func() {
			for part := range slices.Chunk(messages, 50) {
				if n, err := b.Publish(within(t), part); n != len(part) || err != nil {
					t.Errorf("Publish confirmed %d of %d messages: %v", n, len(part), err)
				}
			}
		})
	}
	got := drain(t, sub, want)
	wg.Wait()
	// Order holds for the messages of one caller.
	for p := range publishers {
		prefix := fmt.Sprintf("p%d-", p)
		other := func(id string) bool { return !strings.HasPrefix(id, prefix) }
		if mine := slices.DeleteFunc(slices.Clone(got), other); !slices.Equal(mine, want[p*each:(p+1)*each]) {
			t.Errorf("publisher %d: order of arrival %q", p, mine)
		}
	}
}

func roundTrip(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	messages := []broker.Message{
		{ID: "no data"},
		{ID: "binary data", Data: binary},
		{ID: "large data", Data: bytes.Repeat([]byte("0123456789abcdef"), 32<<10)},
		{ID: "a header", Header: map[string]string{"ce-id": "1", "X-Mixed_Case": "a b", "empty": ""}},
		{ID: "a header and no data", Header: map[string]string{"traceparent": "00-1-2-01"}},
		{ID: "all of ASCII", Header: map[string]string{
			"!#$%&'*+-.^_`|~": "!\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~"}},
		{ID: "é 😀 %41 \"q\""},
		{ID: ""},
	}
	for _, key := range []string{
		"", ".", "..", "a.b", "*", ">", "a.>", "$JS.API", " ", " a ", "a b", "\t\r\n", "%", "%41", "ä", "😀",
		`"`, "\x00", "\xff\xfe", strings.Repeat("k", 512),
	} {
		messages = append(messages, broker.Message{ID: fmt.Sprintf("key %q", key), Key: key})
	}
	for i := range messages {
		messages[i].Topic = "topic"
	}
	publish(t, b, messages...)
	got := make(map[string]broker.Message)
	for _, d := range fetch(t, sub, len(messages)) {
		got[d.Message().ID] = d.Message()
		ack(t, d)
	}
	for _, want := range messages {
		m, ok := got[want.ID]
		switch {
		case !ok:
			t.Errorf("%q is missing", want.ID)
		case m.Topic != want.Topic || m.Key != want.Key:
			t.Errorf("%q: got topic %q, key %q, want %q, %q", want.ID, m.Topic, m.Key, want.Topic, want.Key)
		case !bytes.Equal(m.Data, want.Data):
			t.Errorf("%q: got %d bytes of data, want %d, or others", want.ID, len(m.Data), len(want.Data))
		case !maps.Equal(m.Header, want.Header):
			t.Errorf("%q: got header %q, want %q", want.ID, m.Header, want.Header)
		}
	}
}
