package eventustest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// Sent collects what a handler sends. The zero value is ready for use, and is
// safe for concurrent use.
type Sent struct {
	mu  sync.Mutex
	all []any
}

// Add notes something that was sent: for senders that [Commands] and [Appends]
// have no word for.
func (s *Sent) Add(sent any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, sent)
}

func (s *Sent) take() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// Commands returns a function that notes commands and accepts them all.
func Commands[C any](s *Sent) func(context.Context, C) error {
	return func(_ context.Context, command C) error {
		s.Add(command)
		return nil
	}
}

// Appended is an event that a handler has stored by a repository of [Appends].
type Appended struct {
	ID    string
	Event any
}

// Appends returns a repository over an empty store that notes the events that
// are stored, each as an [Appended].
func Appends[A, E any](s *Sent, definition *eventus.Definition[A, E]) *eventus.Repository[A] {
	return eventus.NewRepository(&watched{Store: memory.New(), appended: func(stream store.Stream, events []store.Event) {
		for _, e := range events {
			m, _, err := definition.Decode(store.Message{Event: e, Stream: stream})
			if err != nil {
				s.Add(err)
				continue
			}
			s.Add(Appended{ID: stream.ID, Event: m.Event})
		}
	}}, definition, eventus.WithClock(startOfTime), eventus.WithIDs(NewIDs()))
}

// watched is a store that tells of what it has stored.
type watched struct {
	*memory.Store
	appended func(stream store.Stream, events []store.Event)
}

func (w *watched) Append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := w.Store.Append(ctx, s, expected, events)
	if err == nil {
		w.appended(s, events)
	}
	return version, err
}

// HandlerScenario is a sentence about a handler that sends: given these
// messages, when this one comes, these commands or messages are sent. It is for
// one goroutine.
type HandlerScenario[E any] struct {
	t        testing.TB
	messages messages[E]
	handler  eventus.Handler[E]
	sent     *Sent
	came     bool
	checked  bool
	err      error
}

// ForHandler begins a scenario of a handler that writes to sent. A handler in a
// transaction becomes one by consume.Idempotent.
//
//	var sent eventustest.Sent
//	reorder := NewReorder(eventustest.Commands[PlaceOrder](&sent))
//	eventustest.ForHandler(t, Products, reorder, &sent).
//		Given(Created{"Widget", eur(1299)}).
//		When(SoldOut{}).
//		Then(PlaceOrder{Product: eventustest.ID})
func ForHandler[E any](t testing.TB, source Source[E], handler eventus.Handler[E], sent *Sent) *HandlerScenario[E] {
	t.Helper()
	switch {
	case absent(source):
		t.Fatal("no table of events; give a definition, or what eventus.Foreign returns")
	case absent(handler):
		t.Fatal("the handler is nil")
	case sent == nil:
		t.Fatal("nothing notes what is sent; give the address of the Sent that the handler writes to")
	}
	s := &HandlerScenario[E]{t: t, messages: newMessages(t, source), handler: handler, sent: sent}
	mustEnd(t, &s.checked)
	return s
}

// Of says which aggregate the next messages are about; [ID] in the beginning.
func (s *HandlerScenario[E]) Of(id string) *HandlerScenario[E] {
	s.messages.id = id
	return s
}

// At says when the events of the next messages were recorded; midnight of
// 2000-01-01 UTC in the beginning.
func (s *HandlerScenario[E]) At(at time.Time) *HandlerScenario[E] {
	s.messages.at = at
	return s
}

// Given hands earlier messages to the handler. What it sends for them is not
// looked at.
func (s *HandlerScenario[E]) Given(events ...E) *HandlerScenario[E] {
	s.t.Helper()
	for _, event := range events {
		m := s.messages.typed(event)
		if err := s.handler.Handle(context.Background(), m); err != nil {
			s.t.Fatalf("the given %s is refused: %v", m.Type, err)
		}
	}
	return s
}

// When hands the message to the handler that the sentence is about.
func (s *HandlerScenario[E]) When(event E) *HandlerScenario[E] {
	s.t.Helper()
	return s.when(s.messages.typed(event))
}

// WhenStored is When with an event as it is stored, under an old wire name or
// one of another service.
func (s *HandlerScenario[E]) WhenStored(name, data string) *HandlerScenario[E] {
	s.t.Helper()
	return s.when(s.messages.stored(name, jsonType, []byte(data)))
}

func (s *HandlerScenario[E]) when(m eventus.Message[E]) *HandlerScenario[E] {
	s.t.Helper()
	if s.came {
		s.t.Fatal("a scenario has one When; what came before it belongs into Given")
	}
	s.came = true
	s.sent.take()
	if panicked := recovered(func() { s.err = s.handler.Handle(context.Background(), m) }); panicked != "" {
		s.t.Fatalf("the handler panics: %s", panicked)
	}
	return s
}

// Then says what the handler sends, all of it and in order: commands as they
// are, stored events as [Appended].
func (s *HandlerScenario[E]) Then(sent ...any) {
	s.t.Helper()
	s.asked()
	if s.err != nil {
		s.t.Fatalf("the message is refused: %v", s.err)
	}
	if d := diff(append([]any{}, sent...), append([]any{}, s.sent.take()...)); d != "" {
		s.t.Fatalf("other things sent (-want +got):\n%s", d)
	}
}

// ThenNothing says that the message is accepted and nothing is sent.
func (s *HandlerScenario[E]) ThenNothing() {
	s.t.Helper()
	s.Then()
}

// ThenError says that the message is refused with an error that matches target,
// as by [errors.Is]: it will come again.
func (s *HandlerScenario[E]) ThenError(target error) {
	s.t.Helper()
	s.asked()
	if !errors.Is(s.err, target) {
		s.t.Fatalf("got the error %v, want %q", s.err, target)
	}
}

func (s *HandlerScenario[E]) asked() {
	s.t.Helper()
	if !s.came {
		s.t.Fatal("no message came; call When before Then")
	}
	s.checked = true
}
