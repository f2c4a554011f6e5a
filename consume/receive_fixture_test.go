package consume_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// shop is a producer of ticks, as a relay of another service is.
type shop struct {
	name     string
	versions map[string]int64
}

func newShop(name string) *shop { return &shop{name: name, versions: make(map[string]int64)} }

// eventID is the id of an event of the shop.
func (s *shop) eventID(id string, version int64) string {
	return fmt.Sprintf("%s-%s-%d", s.name, id, version)
}

// event returns an event of the shop, as it is published.
func (s *shop) event(id string, version int64) cloudevents.Event {
	e := cloudevents.Event{
		Message: store.Message{
			Event:  store.Event{ID: s.eventID(id, version), Type: "ticked", ContentType: "application/json", Data: fmt.Appendf(nil, `{"n":%d}`, version), Time: time.Unix(1, 0).UTC()},
			Stream: tick(id), Version: version, Position: version,
		},
		Source: "/" + s.name, History: "history of " + s.name,
	}
	if version > 1 {
		e.Previous = s.eventID(id, version-1)
	}
	return e
}

// next returns the next event of a stream.
func (s *shop) next(id string) cloudevents.Event {
	s.versions[id]++
	return s.event(id, s.versions[id])
}

// publish sends events to a broker.
func publish(t testing.TB, b broker.Publisher, events ...cloudevents.Event) {
	t.Helper()
	messages := make([]broker.Message, len(events))
	for i, e := range events {
		messages[i] = cloudevents.Encode(e)
	}
	send(t, b, messages...)
}

func send(t testing.TB, b broker.Publisher, messages ...broker.Message) {
	t.Helper()
	if _, err := b.Publish(context.Background(), messages); err != nil {
		t.Fatal(err)
	}
}

// lines is a log that tests look into.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// count returns how many lines have all of the texts.
func (l *lines) count(texts ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
line:
	for line := range strings.Lines(l.buf.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue line
			}
		}
		n++
	}
	return n
}

// receipt is a receiver in memory, with what is around it, in a synctest bubble.
type receipt struct {
	*system
	shop     *shop
	log      *lines
	receiver *consume.Receiver[*memory.Tx, ticked]
}

func newReceipt(t testing.TB, cfg consume.ReceiveConfig) *receipt {
	r := &receipt{
		system: &system{t: t, store: memory.New(), broker: brokermemory.New(brokermemory.Config{}), view: newView()},
		shop:   newShop("shop"), log: &lines{},
	}
	r.receiver = r.member(cfg)
	return r
}

// member returns a further receiver of the consumer.
func (r *receipt) member(cfg consume.ReceiveConfig) *consume.Receiver[*memory.Tx, ticked] {
	return r.over(r.store, cfg)
}

func (r *receipt) over(inbox store.Inbox[*memory.Tx], cfg consume.ReceiveConfig) *consume.Receiver[*memory.Tx, ticked] {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	}
	once := consume.Idempotent("view", inbox, r.view.Handle, consume.Retry{MaxAttempts: 5})
	return consume.Receive(once, ticks, r.broker, cfg)
}

// publish sends the next events of streams.
func (r *receipt) publish(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		publish(r.t, r.broker, r.shop.next(id))
	}
}

// calls returns how often the handler was called for a stream.
func (r *receipt) calls(id string) int {
	r.view.mu.Lock()
	defer r.view.mu.Unlock()
	return r.view.calls[tick(id)]
}

// parked returns the reasons of streams that do not flow, by id.
func (r *receipt) parked() map[string]store.Queue {
	r.t.Helper()
	queues, err := r.receiver.Parked(context.Background(), store.Stream{}, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	parked := make(map[string]store.Queue)
	for _, q := range queues {
		parked[q.Stream.ID] = q
	}
	return parked
}

// mustPark fails unless exactly these streams are parked, for these reasons.
func (r *receipt) mustPark(want map[string]store.Reason) {
	r.t.Helper()
	parked := r.parked()
	for id, reason := range want {
		if parked[id].Reason != reason {
			r.t.Errorf("%s is parked as %q, want %q", id, parked[id].Reason, reason)
		}
	}
	if len(parked) != len(want) {
		r.t.Errorf("parked: %+v, want %v", parked, want)
	}
}

func (r *receipt) letters() []store.DeadLetter {
	r.t.Helper()
	letters, err := r.receiver.DeadLetters(context.Background(), 0, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return letters
}
