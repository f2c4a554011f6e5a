package eventustest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/google/go-cmp/cmp"
)

// trial is one aggregate on its way through a store of its own: what has been
// stored of it, and the laws that can be looked at from there.
type trial[S any, E eventus.Event[S], A Aggregate[S, E]] struct {
	definition *eventus.Definition[A, E]
	stream     eventus.Stream
	store      *memory.Store
	repository *eventus.Repository[A]
	events     []store.Event // as they are stored
	ids        func() string // for further aggregates
}

func newTrial[S any, E eventus.Event[S], A Aggregate[S, E]](definition *eventus.Definition[A, E], id string) *trial[S, E, A] {
	s := memory.New()
	return &trial[S, E, A]{
		definition: definition,
		stream:     definition.Stream(id),
		store:      s,
		repository: eventus.NewRepository(s, definition, eventus.WithClock(startOfTime), eventus.WithIDs(NewIDs())),
		ids:        anotherID,
	}
}

// anew returns a trial of another aggregate. Its id is one that no trial had
// before: what a faulty command remembers of an id must not reach from one
// history into the next.
func (tr *trial[S, E, A]) anew() *trial[S, E, A] {
	another := newTrial(tr.definition, tr.ids())
	another.ids = tr.ids
	return another
}

// anotherID returns ids of this process's trials.
var anotherID = NewIDs()

// oneForAll reports whether the definition makes one aggregate for all ids. Then
// nothing can be said of any.
func oneForAll[A, E any](definition *eventus.Definition[A, E]) bool {
	r := eventus.NewRepository(memory.New(), definition)
	return any(r.New("a")) == any(r.New("b"))
}

func oneForAllCure[A, E any](definition *eventus.Definition[A, E]) string {
	return fmt.Sprintf("the function that makes aggregates of %s returns the same one each time; give Define one that returns a new one, as eventus.New does", definition.Category())
}

// encode puts events into stored form, and finds the first that does not come
// back as it was.
func (tr *trial[S, E, A]) encode(which string, events []E) ([]store.Event, *violation) {
	encoded := make([]store.Event, len(events))
	for i, event := range events {
		if any(event) == nil {
			return nil, broken(lawStored, "%s event %d is nil", which, i+1)
		}
		e, err := tr.definition.Encode(event)
		switch {
		case errors.Is(err, eventus.ErrUnknownEvent) && reflect.TypeOf(event).Kind() == reflect.Pointer:
			return nil, broken(lawStored, "%s event %d: %v; events are values, so give the value and not a pointer to it", which, i+1, err)
		case errors.Is(err, eventus.ErrUnknownEvent):
			return nil, broken(lawStored, "%s event %d: %v; add eventus.Type[%T](%q) to it", which, i+1, err, event, tr.definition.Category()+"...")
		case err != nil:
			return nil, broken(lawStored, "%s event %d cannot be encoded: %v; change the field, or give the definition another codec", which, i+1, err)
		}
		e.ID, e.Time = "event", startOfTime()
		back, err := tr.decode(e)
		if err != nil {
			return nil, broken(lawStored, "%s event %d, stored as %s, cannot be read again: %v", which, i+1, e.Data, err)
		}
		if d := lost(event, back); d != "" {
			return nil, broken(lawStored, "%s event %d (%s) loses something when it is stored\n%s", which, i+1, e.Type, d)
		}
		encoded[i] = e
	}
	return encoded, nil
}

func (tr *trial[S, E, A]) decode(e store.Event) (E, error) {
	m, _, err := tr.definition.Decode(store.Message{Event: e, Stream: tr.stream, Version: 1})
	return m.Event, err
}

// given stores encoded events.
func (tr *trial[S, E, A]) given(encoded []store.Event) error {
	if len(encoded) == 0 {
		return nil
	}
	if _, err := tr.store.Append(context.Background(), tr.stream, store.Any, encoded); err != nil {
		return err
	}
	tr.events = append(tr.events, encoded...)
	return nil
}

// upTo returns the trial as it was after its first n events, for laws that need
// no store but their own.
func (tr *trial[S, E, A]) upTo(n int) *trial[S, E, A] {
	earlier := *tr
	earlier.events = tr.events[:n:n]
	return &earlier
}

// load returns the aggregate as the repository gives it to a command.
func load[A any](repository *eventus.Repository[A], id string) (a A, err error) {
	panicked := recovered(func() {
		a, err = repository.Load(context.Background(), id)
		if errors.Is(err, eventus.ErrNotFound) {
			a, err = repository.New(id), nil
		}
	})
	if panicked != "" {
		return a, errors.New(panicked)
	}
	return a, err
}

// outcome is what a command made of an aggregate.
type outcome[S, E any] struct {
	before, after S
	recorded      []E
	encoded       []store.Event
	err           error // why the command was refused
}

// decide runs a command on the aggregate as it is stored, and stores what it
// records.
func (tr *trial[S, E, A]) decide(command func(A) error) (outcome[S, E], *violation) {
	var o outcome[S, E]
	a, err := load(tr.repository, tr.stream.ID)
	if err != nil {
		return o, broken(lawApplies, "the aggregate cannot be loaded: %v", err)
	}
	o.before = a.State()
	was, remembered := fingerprint(o.before), besides(a)
	if panicked := recovered(func() { o.err = command(a) }); panicked != "" {
		return o, broken(lawCommand, "panic: %s", panicked)
	}
	o.recorded, o.after = a.Recorded(), a.State()
	if d := cmp.Diff(remembered, besides(a)); d != "" {
		return o, broken(lawMemory, "the command has changed a field beside the embedded Aggregate, which a loaded aggregate does not have; what must last belongs into the state, by an event\n-before +after:\n%s", d)
	}
	switch is := fingerprint(o.after); {
	case o.err != nil && len(o.recorded) > 0:
		return o, broken(lawRefused, "refused with %q, but recorded events before; check first, record last:\n%s", o.err, tr.listed(o.recorded))
	case o.err != nil && is != was:
		return o, broken(lawRefused, "refused with %q, but the state has changed: State() shares its maps and slices, so write to none of them\n-before +after:\n%s", o.err, changes(was, is))
	case o.err != nil:
		return o, nil
	case len(o.recorded) == 0 && is != was:
		return o, broken(lawEvents, "the command recorded nothing, and the state has changed: State() shares its maps and slices, so write to none of them\n-before +after:\n%s", changes(was, is))
	}
	var v *violation
	if o.encoded, v = tr.encode("recorded", o.recorded); v != nil {
		return o, v
	}
	if err := tr.repository.Save(context.Background(), a); err != nil {
		return o, broken(lawStored, "the recorded events cannot be stored: %v", err)
	}
	tr.events = append(tr.events, o.encoded...)
	again, err := load(tr.repository, tr.stream.ID)
	if err != nil {
		return o, broken(lawApplies, "the aggregate cannot be loaded again: %v", err)
	}
	if d := diff(o.after, again.State()); d != "" {
		return o, broken(lawReplay, "-live +replayed:\n%s", d)
	}
	return o, nil
}

// named makes a diff show the wire name beside the fields.
func (tr *trial[S, E, A]) named(events []E) []namedEvent {
	named := make([]namedEvent, len(events))
	for i, event := range events {
		encoded, err := tr.definition.Encode(event)
		if err != nil {
			encoded.Type = err.Error()
		}
		named[i] = namedEvent{encoded.Type, event}
	}
	return named
}

// listed writes events one to a line.
func (tr *trial[S, E, A]) listed(events []E) string {
	var b strings.Builder
	for _, e := range tr.named(events) {
		fmt.Fprintf(&b, "  %s %s\n", e.Type, printer{}.literal(e.Event))
	}
	return b.String()
}

type namedEvent struct {
	Type  string
	Event any
}
