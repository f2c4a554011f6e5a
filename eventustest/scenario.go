package eventustest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/google/go-cmp/cmp"
)

// aggregateID is the id of the aggregate in every scenario.
const aggregateID = "under-test"

// Aggregate is satisfied by every aggregate of a definition.
type Aggregate[S any, E eventus.Event[S]] interface {
	eventus.Root[S, E]
	State() S
	Recorded() []E
}

// Scenario is one given-when-then sentence. It is for one goroutine.
type Scenario[S any, E eventus.Event[S], A Aggregate[S, E]] struct {
	t          testing.TB
	definition *eventus.Definition[A, E]
	store      *memory.Store
	repository *eventus.Repository[A]

	decided  bool
	checked  bool
	recorded []E
	state    S
	err      error
}

// For begins a scenario. The test fails at the line of the sentence that does
// not hold.
//
//	eventustest.For(t, Products).
//		Given(Created{"Widget", eur(1299)}).
//		When((*Product).Discontinue).
//		Then(Discontinued{})
func For[S any, E eventus.Event[S], A Aggregate[S, E]](t testing.TB, definition *eventus.Definition[A, E]) *Scenario[S, E, A] {
	s := memory.New()
	return &Scenario[S, E, A]{
		t:          t,
		definition: definition,
		store:      s,
		repository: eventus.NewRepository(s, definition, eventus.WithClock(clock)),
	}
}

func clock() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// Given says what has happened before, oldest first. Without it, nothing has.
func (s *Scenario[S, E, A]) Given(events ...E) *Scenario[S, E, A] {
	s.t.Helper()
	if s.decided {
		s.t.Fatal("Given comes before When")
	}
	encoded := s.encode("given", events)
	if len(encoded) == 0 {
		return s
	}
	if _, err := s.store.Append(context.Background(), s.definition.Stream(aggregateID), store.Any, encoded); err != nil {
		s.t.Fatalf("given events cannot be stored: %v", err)
	}
	return s
}

// encode puts events into stored form and fails on one that does not come back
// as it was.
func (s *Scenario[S, E, A]) encode(which string, events []E) []store.Event {
	s.t.Helper()
	encoded := make([]store.Event, len(events))
	for i, event := range events {
		e, err := s.definition.Encode(event)
		if err != nil {
			s.t.Fatalf("%s event %d: %v", which, i+1, err)
		}
		e.ID, e.Time = "event", clock()
		back, _, err := s.definition.Decode(store.Message{Event: e, Version: int64(i + 1)})
		if err != nil {
			s.t.Fatalf("%s event %d, stored as %s, cannot be read again: %v", which, i+1, e.Data, err)
		}
		if diff := cmp.Diff(event, back.Event, exact); diff != "" {
			s.t.Fatalf("%s event %d (%s) loses something when it is stored; look at unexported fields, json tags and times without zone (-event +stored):\n%s", which, i+1, e.Type, diff)
		}
		encoded[i] = e
	}
	return encoded
}

// exact compares unexported fields as well: the codec drops them.
var exact = cmp.Exporter(func(reflect.Type) bool { return true })

// When runs the decision on the aggregate that the given events make. A method
// without arguments stands for itself, as in When((*Product).Discontinue).
func (s *Scenario[S, E, A]) When(decide func(A) error) *Scenario[S, E, A] {
	s.t.Helper()
	if s.decided {
		s.t.Fatal("a scenario has one When; what came before it belongs into Given")
	}
	s.decided = true
	s.t.Cleanup(func() {
		if !s.checked && !s.t.Failed() {
			s.t.Error("nothing was checked; call Then, ThenNothing, ThenError or ThenState after When")
		}
	})
	ctx := context.Background()
	a, err := s.repository.Load(ctx, aggregateID)
	if errors.Is(err, eventus.ErrNotFound) {
		a, err = s.repository.New(aggregateID), nil
	}
	if err != nil {
		s.t.Fatalf("given events cannot be loaded: %v", err)
	}
	s.err = decide(a)
	s.recorded, s.state = a.Recorded(), a.State()
	if s.err != nil {
		return s
	}
	s.encode("recorded", s.recorded)
	if err := s.repository.Save(ctx, a); err != nil {
		s.t.Fatalf("recorded events cannot be stored: %v", err)
	}
	return s
}

// Then says which events the decision records, all of them and in order.
func (s *Scenario[S, E, A]) Then(events ...E) {
	s.t.Helper()
	s.accepted()
	s.encode("expected", events)
	if diff := cmp.Diff(s.named(events), s.named(s.recorded), exact); diff != "" {
		s.t.Fatalf("other events recorded (-want +got):\n%s", diff)
	}
}

// ThenNothing says that the decision is accepted and records nothing.
func (s *Scenario[S, E, A]) ThenNothing() {
	s.t.Helper()
	s.Then()
}

// ThenError says that the decision is refused with an error that matches
// target, as by [errors.Is], and that it recorded nothing.
func (s *Scenario[S, E, A]) ThenError(target error) {
	s.t.Helper()
	s.asked()
	switch {
	case s.err == nil:
		s.t.Fatalf("accepted, want the error %q; recorded:\n%s", target, cmp.Diff([]namedEvent(nil), s.named(s.recorded), exact))
	case !errors.Is(s.err, target):
		s.t.Fatalf("refused with %q, want %q", s.err, target)
	case len(s.recorded) > 0:
		s.t.Fatalf("refused with %q, but recorded events before; check first, record last:\n%s", s.err, cmp.Diff([]namedEvent(nil), s.named(s.recorded), exact))
	}
}

// ThenState hands the state after the decision to check.
func (s *Scenario[S, E, A]) ThenState(check func(t testing.TB, state S)) {
	s.t.Helper()
	s.accepted()
	check(s.t, s.state)
}

func (s *Scenario[S, E, A]) accepted() {
	s.t.Helper()
	s.asked()
	if s.err != nil {
		s.t.Fatalf("refused: %v", s.err)
	}
}

func (s *Scenario[S, E, A]) asked() {
	s.t.Helper()
	if !s.decided {
		s.t.Fatal("nothing was decided; call When before Then")
	}
	s.checked = true
}

// namedEvent makes a diff show the wire name beside the fields.
type namedEvent struct {
	Type  string
	Event any
}

func (s *Scenario[S, E, A]) named(events []E) []namedEvent {
	named := make([]namedEvent, len(events))
	for i, event := range events {
		encoded, err := s.definition.Encode(event)
		if err != nil {
			s.t.Fatalf("event %d: %v", i+1, err)
		}
		named[i] = namedEvent{encoded.Type, event}
	}
	return named
}
