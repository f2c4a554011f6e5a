package eventustest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/google/go-cmp/cmp"
)

// Aggregate is satisfied by every aggregate of a definition.
type Aggregate[S any, E eventus.Event[S]] interface {
	eventus.Root[S, E]
	State() S
	Recorded() []E
}

// Scenario is one given-when-then sentence. It is for one goroutine.
//
// Beside what the sentence says, it looks at the laws that every aggregate
// obeys: events come back from the store as they were, a replay of them gives the
// state that the decision left, Apply gives the same state each time and writes
// to nothing else, and a refused decision leaves everything as it was.
type Scenario[S any, E eventus.Event[S], A Aggregate[S, E]] struct {
	t     testing.TB
	trial *trial[S, E, A]
	given int // how many of the trial's events were there before the decision

	withoutSnapshots bool
	dropped          drops

	decide  func(A) error // nil before When
	checked bool
	outcome outcome[S, E]
}

// For begins a scenario. The test fails at the line of the sentence that does
// not hold.
//
//	eventustest.For(t, Products).
//		Given(Created{"Widget", eur(1299)}).
//		When((*Product).Discontinue).
//		Then(Discontinued{})
func For[S any, E eventus.Event[S], A Aggregate[S, E]](t testing.TB, definition *eventus.Definition[A, E]) *Scenario[S, E, A] {
	t.Helper()
	if definition == nil {
		t.Fatal("the definition is nil; give the result of eventus.Define")
	}
	if oneForAll(definition) {
		t.Fatal(oneForAllCure(definition))
	}
	s := &Scenario[S, E, A]{t: t, trial: newTrial(definition, ID), dropped: make(drops)}
	mustEnd(t, &s.checked)
	return s
}

// Of gives the aggregate an id, where it matters; without, it is [ID].
func (s *Scenario[S, E, A]) Of(id string) *Scenario[S, E, A] {
	s.t.Helper()
	if s.decide != nil || len(s.trial.events) > 0 {
		s.t.Fatal("Of comes before Given and When")
	}
	s.trial.stream.ID = id
	return s
}

// WithoutSnapshots is [Laws.WithoutSnapshots], for ThenLaws.
func (s *Scenario[S, E, A]) WithoutSnapshots() *Scenario[S, E, A] {
	s.withoutSnapshots = true
	return s
}

// Drops is [Laws.Drops], for ThenLaws.
func (s *Scenario[S, E, A]) Drops(name, field string) *Scenario[S, E, A] {
	s.t.Helper()
	s.dropped.add(name, field)
	if wrong := wrongDrops(s.trial.definition, s.dropped); wrong != "" {
		s.t.Fatal(wrong)
	}
	return s
}

// Given says what has happened before, oldest first. Without it, nothing has.
func (s *Scenario[S, E, A]) Given(events ...E) *Scenario[S, E, A] {
	s.t.Helper()
	encoded, v := s.trial.encode("given", events)
	s.lawful(v)
	return s.has(encoded)
}

// GivenStored says that an event is in the store as an earlier release wrote it,
// under its wire name of then: how upcasts are tested.
//
//	GivenStored("product.created.v0", `{"title":"Widget","cents":1299}`)
func (s *Scenario[S, E, A]) GivenStored(name, data string) *Scenario[S, E, A] {
	s.t.Helper()
	event := store.Event{ID: "event", Type: name, ContentType: s.trial.definition.Codec().ContentType(), Data: []byte(data), Time: startOfTime()}
	if _, err := s.trial.decode(event); err != nil {
		s.t.Fatalf("given %s, stored as %s, cannot be read: %v", name, data, err)
	}
	return s.has([]store.Event{event})
}

func (s *Scenario[S, E, A]) has(encoded []store.Event) *Scenario[S, E, A] {
	s.t.Helper()
	if s.decide != nil {
		s.t.Fatal("Given comes before When")
	}
	if err := s.trial.given(encoded); err != nil {
		s.t.Fatalf("given events cannot be stored: %v", err)
	}
	s.given = len(s.trial.events)
	return s
}

// When runs the decision on the aggregate that the given events make. A method
// without arguments stands for itself, as in When((*Product).Discontinue).
func (s *Scenario[S, E, A]) When(decide func(A) error) *Scenario[S, E, A] {
	s.t.Helper()
	if s.decide != nil {
		s.t.Fatal("a scenario has one When; what came before it belongs into Given")
	}
	if decide == nil {
		s.t.Fatal("the decision is nil; give a function of the aggregate")
	}
	s.decide = decide
	var v *violation
	s.outcome, v = s.trial.decide(decide)
	s.lawful(v)
	s.lawful(s.trial.folded(s.t))
	return s
}

// Then says which events the decision records, all of them and in order.
func (s *Scenario[S, E, A]) Then(events ...E) {
	s.t.Helper()
	s.accepted()
	_, v := s.trial.encode("expected", events)
	s.lawful(v)
	if d := cmp.Diff(s.trial.named(events), s.trial.named(s.outcome.recorded), shown); d != "" {
		s.t.Fatalf("other events recorded (-want +got), on the state %s:\n%s", printer{}.literal(s.outcome.before), d)
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
	if target == nil {
		s.t.Fatal("the error is nil; for a decision that is accepted there are Then and ThenNothing, for any error ThenRefused")
	}
	s.refused(fmt.Sprintf("the error %q", target))
	if !errors.Is(s.outcome.err, target) {
		s.t.Fatalf("refused with %q, want %q; on the state %s", s.outcome.err, target, printer{}.literal(s.outcome.before))
	}
}

// ThenRefused says that the decision is refused, with whatever error, and that
// it recorded nothing.
func (s *Scenario[S, E, A]) ThenRefused() {
	s.t.Helper()
	s.refused("an error")
}

func (s *Scenario[S, E, A]) refused(want string) {
	s.t.Helper()
	s.asked()
	if s.outcome.err == nil {
		s.t.Fatalf("accepted, want %s; on the state %s it recorded:\n%s", want, printer{}.literal(s.outcome.before), s.trial.listed(s.outcome.recorded))
	}
}

// ThenState hands the state after the decision to check. Without When it is the
// state that the given events make.
func (s *Scenario[S, E, A]) ThenState(check func(t testing.TB, state S)) {
	s.t.Helper()
	if check == nil {
		s.t.Fatal("the check is nil; give a function of the state")
	}
	s.checked = true
	if s.decide != nil {
		s.accepted()
		check(s.t, s.outcome.after)
		return
	}
	check(s.t, s.replayed())
}

// ThenLaws says that the remaining laws of [Check] hold here too: those about
// snapshots, conflicts and upcasts. It is how a counter-example ends. It needs
// no When, and it does not ask whether the decision was accepted.
func (s *Scenario[S, E, A]) ThenLaws() {
	s.t.Helper()
	s.checked = true
	s.replayed()
	if !s.withoutSnapshots {
		s.lawful(s.trial.snapshots())
	}
	s.lawful(upcasts(s.trial.definition, s.dropped))
	if s.decide == nil {
		return
	}
	before := s.trial.upTo(s.given)
	for split := range s.given {
		s.lawful(before.retried(s.decide, split))
	}
	s.lawful(before.raced(s.decide))
}

// ThenUses says that Apply of the last given event uses a field of it: with
// another value the state would be another. The field is the path of Go names
// that leads to it; an empty one stands for the event as a whole, which changes
// the state. It needs no When.
func (s *Scenario[S, E, A]) ThenUses(field string) {
	s.t.Helper()
	s.checked = true
	if s.given == 0 {
		s.t.Fatal("no event was given whose field could be used")
	}
	given := s.trial.upTo(s.given)
	name := given.events[s.given-1].Type
	if fields := given.fieldsOfLast(); field != "" && !slices.Contains(fields, field) {
		s.t.Fatalf("%s has no field %q; it has %q", name, field, fields)
	}
	if !given.uses(field) {
		s.lawful(unused(fieldName{name, field}))
	}
}

// replayed returns the state that all events make.
func (s *Scenario[S, E, A]) replayed() S {
	s.t.Helper()
	s.lawful(s.trial.folded(s.t))
	events, v := s.trial.decoded()
	s.lawful(v)
	state, v := s.trial.fold(events)
	s.lawful(v)
	return state
}

// lawful ends the test when a law is broken.
func (s *Scenario[S, E, A]) lawful(v *violation) {
	s.t.Helper()
	if v != nil {
		s.t.Fatal(v.Error())
	}
}

func (s *Scenario[S, E, A]) accepted() {
	s.t.Helper()
	s.asked()
	if s.outcome.err != nil {
		s.t.Fatalf("refused: %v; on the state %s", s.outcome.err, printer{}.literal(s.outcome.before))
	}
}

func (s *Scenario[S, E, A]) asked() {
	s.t.Helper()
	if s.decide == nil {
		s.t.Fatal("nothing was decided; call When before Then")
	}
	s.checked = true
}
