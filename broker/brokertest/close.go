package brokertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
)

func closeGivesBack(t *testing.T, b Backend) {
	leaving := subscribe(t, b, "reader", "topic", broker.FromNow)
	staying := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 5)...)
	got := fetch(t, leaving, 5)
	ack(t, got[1], got[3])
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	back := fetch(t, staying, 3)
	ack(t, back...)
	gave := idsOf(back)
	slices.Sort(gave)
	if !slices.Equal(gave, []string{"m-0", "m-2", "m-4"}) {
		t.Errorf("got %q", gave)
	}
	expectNothing(t, b, staying, "topic")
}

func closeAfterCancel(t *testing.T, b Backend) {
	leaving := subscribe(t, b, "reader", "topic", broker.FromNow)
	ctx, cancel := context.WithCancel(within(t))
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := leaving.Fetch(ctx, 3); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	messages := batch("topic", "m", 5)
	publish(t, b, messages...)
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	drain(t, subscribe(t, b, "reader", "topic", broker.FromNow), ids(messages))
}

func closedFetch(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 1)...)
	for range 2 {
		if err := sub.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := sub.Fetch(within(t), 1); !errors.Is(err, broker.ErrClosed) {
			t.Errorf("got %v, want %v", err, broker.ErrClosed)
		}
	}
}

func closeEndsFetch(t *testing.T, b Backend) {
	sub := subscribe(t, b, "reader", "topic", broker.FromNow)
	ended := make(chan error, 1)
	go func() {
		_, err := sub.Fetch(within(t), 1)
		ended <- err
	}()
	time.Sleep(time.Millisecond) // either order is right; mostly, Fetch waits by now
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, broker.ErrClosed) {
		t.Errorf("got %v, want %v", err, broker.ErrClosed)
	}
}

func settleAfterClose(t *testing.T, b Backend) {
	leaving := subscribe(t, b, "reader", "topic", broker.FromNow)
	publish(t, b, batch("topic", "m", 1)...)
	late := fetch(t, leaving, 1)[0]
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	staying := subscribe(t, b, "reader", "topic", broker.FromNow)
	d := fetch(t, staying, 1)[0]
	ctx := within(t)
	for word, err := range map[string]error{
		"Ack":        late.Ack(ctx),
		"Nak":        late.Nak(ctx, 0),
		"Term":       late.Term(ctx, "late"),
		"InProgress": late.InProgress(ctx),
	} {
		if err != nil {
			t.Errorf("%s after Close: %v", word, err)
		}
	}
	if err := d.Nak(ctx, 0); err != nil {
		t.Fatal(err)
	}
	expect(t, staying, "m-0")
}
