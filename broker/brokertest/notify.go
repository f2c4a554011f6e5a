package brokertest

import (
	"sync/atomic"
	"testing"
)

// listener counts the calls of one Notify.
type listener struct {
	calls  atomic.Int64
	called chan struct{}
	stop   func()
}

func listen(t *testing.T, b Backend, topics ...string) *listener {
	t.Helper()
	l := &listener{called: make(chan struct{}, 1)}
	stop, err := b.Notify(topics, func() {
		l.calls.Add(1)
		select {
		case l.called <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatalf("Notify: %v", err)
	}
	l.stop = stop
	t.Cleanup(stop)
	return l
}

// await returns after a call that no earlier await has seen.
func (l *listener) await(t *testing.T) {
	t.Helper()
	select {
	case <-l.called:
	case <-within(t).Done():
		t.Fatal("a message was published, and the function was not called")
	}
}

func notifies(t *testing.T, b Backend) {
	l := listen(t, b, "one", "two")
	for i, topic := range []string{"one", "two", "one", "two"} {
		publish(t, b, batch(topic, string(rune('a'+i)), 1)...)
		l.await(t)
	}
}

// Calls may be merged, so that there are at most as many as messages. A call for
// another topic makes one too many.
func notifiesOfItsTopics(t *testing.T, b Backend) {
	l := listen(t, b, "topic")
	others := listen(t, b, "topic-2", "other")
	for _, topic := range []string{"topic-2", "other"} {
		publish(t, b, batch(topic, topic, 1)...)
		others.await(t)
	}
	publish(t, b, batch("topic", "m", 1)...)
	l.await(t)
	if n := l.calls.Load(); n != 1 {
		t.Errorf("%d calls for one message of the topic", n)
	}
}

func notifyStops(t *testing.T, b Backend) {
	stopped, going := listen(t, b, "topic"), listen(t, b, "topic")
	publish(t, b, batch("topic", "first", 1)...)
	stopped.await(t)
	going.await(t)
	stopped.stop()
	stopped.stop()
	for _, prefix := range []string{"second", "third"} {
		publish(t, b, batch("topic", prefix, 1)...)
		going.await(t)
	}
	if n := stopped.calls.Load(); n != 1 {
		t.Errorf("%d calls, want the one before stop", n)
	}
}

func notifyRefuses(t *testing.T, b Backend) {
	for _, topics := range [][]string{nil, {""}, {"a.b"}, {"*"}, {"topic", ">"}} {
		if _, err := b.Notify(topics, func() {}); err == nil {
			t.Errorf("the topics %q are accepted", topics)
		}
	}
	if _, err := b.Notify([]string{"topic"}, nil); err == nil {
		t.Error("a nil function is accepted")
	}
}
