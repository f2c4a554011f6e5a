package consume_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// sendPlain publishes an event as a producer does that knows nothing of Eventus.
func sendPlain(t testing.TB, b broker.Publisher, e cloudevents.Event) {
	t.Helper()
	m := cloudevents.Encode(e)
	for _, name := range []string{"ce-streamversion", "ce-position", "ce-time"} {
		delete(m.Header, name)
	}
	if e.Stream.ID == "" {
		delete(m.Header, "ce-subject")
	}
	send(t, b, m)
}

// arrived collects the ids of events in the order of their effects.
type arrived struct {
	ids      []string
	messages []eventus.Message[ticked]
	fail     func(m eventus.Message[ticked]) error
}

func (a *arrived) handle(_ context.Context, tx *memory.Tx, m eventus.Message[ticked]) error {
	if a.fail != nil {
		if err := a.fail(m); err != nil {
			return err
		}
	}
	tx.OnCommit(func() { a.ids, a.messages = append(a.ids, m.ID), append(a.messages, m) })
	return nil
}

func TestEventsWithoutAVersionTakeEffectOnceInTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, consume.ReceiveConfig{})
		defer r.end()
		a := &arrived{}
		receiver := consume.Receive(consume.Idempotent("erp", r.store, a.handle, consume.Retry{}), ticks, r.broker,
			consume.ReceiveConfig{DedupWindow: 24 * time.Hour, Logger: discard()})
		r.run(receiver.Run)
		for i := range 100 {
			sendPlain(t, r.broker, plain(fmt.Sprintf("%03d", i), []string{"o-1", "o-2", ""}[i%3]))
			if i%2 == 0 {
				sendPlain(t, r.broker, plain(fmt.Sprintf("%03d", i), "o-1"))
			}
		}
		settle(time.Second)
		if len(a.ids) != 100 || !slices.IsSorted(a.ids) {
			t.Errorf("%d effects: %v", len(a.ids), a.ids)
		}
		if m := a.messages[3]; m.Stream != tick("o-1") || m.Version != 2 || !m.Time.IsZero() {
			t.Errorf("got %+v", m)
		}
		if m := a.messages[2]; m.Stream != tick("/erp") || m.Version != 1 {
			t.Errorf("without a subject: got %+v", m)
		}
		if s := receiver.State(); s.Duplicates != 50 || s.Handled != 100 {
			t.Errorf("got %+v", s)
		}
		// The id of another source is another event.
		other := plain("000", "o-1")
		other.Source = "/crm"
		sendPlain(t, r.broker, other)
		settle(23 * time.Hour)
		sendPlain(t, r.broker, plain("000", "o-1"))
		settle(time.Second)
		if len(a.ids) != 101 {
			t.Errorf("%d effects, want 101", len(a.ids))
		}
		// After the window the event is new again.
		settle(2 * time.Hour)
		sendPlain(t, r.broker, plain("000", "o-1"))
		settle(time.Second)
		if len(a.ids) != 102 {
			t.Errorf("%d effects, want 102", len(a.ids))
		}
	})
}

func TestEventsWithoutAVersionQueueBehindTheOneThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, consume.ReceiveConfig{})
		defer r.end()
		var mended atomic.Bool
		a := &arrived{fail: failing("o-1", &mended, errors.New("no"))}
		receiver := consume.Receive(consume.Idempotent("view", r.store, a.handle, consume.Retry{MaxAttempts: 3}), ticks, r.broker,
			consume.ReceiveConfig{Logger: discard()})
		r.run(receiver.Run)
		for i := range 20 {
			sendPlain(t, r.broker, plain(fmt.Sprintf("%02d", i), "o-1"))
			sendPlain(t, r.broker, plain(fmt.Sprintf("x%02d", i), "o-2"))
			sendPlain(t, r.broker, plain("00", "o-1")) // a duplicate of one that waits
		}
		publish(t, r.broker, r.shop.event("o-1", 1)) // the stream of versions is another
		settle(time.Hour)
		if len(a.ids) != 20 {
			t.Errorf("%d effects of others, want 20: %v", len(a.ids), a.ids)
		}
		parked, err := receiver.Parked(t.Context(), store.Stream{}, 10)
		if err != nil || len(parked) != 2 || parked[1].Stream != (store.Stream{Category: "tick:arrivals", ID: "o-1"}) || parked[1].Messages != 20 || parked[1].Reason != store.Poison {
			t.Fatalf("got %+v, %v", parked, err)
		}
		mended.Store(true)
		a.ids = nil
		if n, err := receiver.RedriveAll(t.Context()); n != 2 || err != nil {
			t.Fatalf("redriven %d, %v", n, err)
		}
		settle(time.Second)
		ids := slices.DeleteFunc(a.ids, func(id string) bool { return id == "shop-o-1-1" })
		if len(a.ids) != 21 && len(ids) != 20 || !slices.IsSorted(ids) {
			t.Errorf("effects: %v", a.ids)
		}
	})
}

func TestEventsOfOwnDefinitionsNeedAVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, consume.ReceiveConfig{})
		defer r.end()
		handled := 0
		receiver := consume.Receive(consume.Idempotent("own", r.store, func(context.Context, *memory.Tx, eventus.Message[clockEvent]) error { handled++; return nil }, consume.Retry{}),
			clocks, r.broker, consume.ReceiveConfig{Logger: discard()})
		r.run(receiver.Run)
		e := plain("1", "a")
		e.Type = "tocked"
		sendPlain(t, r.broker, e)
		settle(time.Second)
		letters, err := receiver.DeadLetters(t.Context(), 0, 10)
		if err != nil || handled != 0 || len(letters) != 1 || letters[0].BrokerID != "1" {
			t.Errorf("handled %d, letters %+v, %v", handled, letters, err)
		}
	})
}

// What SDKs of CloudEvents send, and what the specification allows.
func TestPlainCloudEventsAreTaken(t *testing.T) {
	base := func() map[string]string {
		return map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-type": "ticked", "ce-source": "/erp", "ce-subject": "o-1",
			"ce-streamversion": "1", "ce-time": "2026-01-02T03:04:05Z", "ce-datacontenttype": "application/json"}
	}
	for name, change := range map[string]func(h map[string]string){
		"as Eventus writes it":         func(h map[string]string) {},
		"charset parameter":            func(h map[string]string) { h["ce-datacontenttype"] = "application/json;%20charset=utf-8" },
		"charset, as Spring writes it": func(h map[string]string) { h["ce-datacontenttype"] = "application/json;charset=UTF-8" },
		"upper case":                   func(h map[string]string) { h["ce-datacontenttype"] = "Application/JSON" },
		"a suffix":                     func(h map[string]string) { h["ce-datacontenttype"] = "application/vnd.erp.order+json" },
		"no time":                      func(h map[string]string) { delete(h, "ce-time") },
		"lower-case t and z":           func(h map[string]string) { h["ce-time"] = "2026-01-02t03:04:05z" },
		"seven digits, offset":         func(h map[string]string) { h["ce-time"] = "2026-01-02T03:04:05.1234567+00:00" },
		"leap second":                  func(h map[string]string) { h["ce-time"] = "2016-12-31T23:59:60Z" },
		"year 1":                       func(h map[string]string) { h["ce-time"] = "0001-01-01T00:00:00Z" },
		"no content type":              func(h map[string]string) { delete(h, "ce-datacontenttype") },
		"quoted values":                func(h map[string]string) { h["ce-subject"] = `"o-1"` },
		"no version":                   func(h map[string]string) { delete(h, "ce-streamversion") },
		"no version, no subject":       func(h map[string]string) { delete(h, "ce-streamversion"); delete(h, "ce-subject") },
		"structured mode": func(h map[string]string) {
			clear(h)
			h["content-type"] = "application/cloudevents+json; charset=utf-8"
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceipt(t, consume.ReceiveConfig{})
				defer r.end()
				a := &arrived{}
				r.run(consume.Receive(consume.Idempotent("view", r.store, a.handle, consume.Retry{}), ticks, r.broker, consume.ReceiveConfig{Logger: discard()}).Run)
				m := broker.Message{ID: "1", Topic: "tick", Key: "o-1", Header: base(), Data: []byte(`{"n":7,"extra":true}`)}
				if change(m.Header); m.Header["content-type"] != "" {
					m.Data = []byte(`{"specversion":"1.0","id":"1","type":"ticked","source":"/erp","subject":"o-1","streamversion":"1","data":{"n":7}}`)
				}
				send(t, r.broker, m)
				settle(time.Second)
				if len(a.messages) != 1 || a.messages[0].Event.N != 7 {
					t.Errorf("handled %+v; letters %+v", a.messages, r.letters())
				}
			})
		})
	}
}

func TestAReceiverThatRequiresVersionsKeepsEventsWithoutOneAsDeadLetters(t *testing.T) {
	bubble(t, consume.ReceiveConfig{RequireVersion: true}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		r.publish("a")
		sendPlain(t, r.broker, plain("forged", "a"))
		r.publish("a")
		settle(time.Second)
		r.view.check(t, "a", 2)
		letters := r.letters()
		if len(letters) != 1 || letters[0].Message.ID != "forged" || !strings.Contains(letters[0].Error, "RequireVersion") {
			t.Errorf("dead letters: %+v", letters)
		}
		if r.log.count("level=ERROR", "dead letter", "has no version") != 1 {
			t.Error("the log does not say it once")
		}
	})
}
