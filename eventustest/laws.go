package eventustest

import "github.com/eventus-go/eventus"

// Laws is a property test of an aggregate, for more than [Check] says by itself.
// Its methods are called before the first check; after that it is safe for
// concurrent use.
type Laws[S any, E eventus.Event[S], A Aggregate[S, E]] struct {
	at               place
	definition       *eventus.Definition[A, E]
	commands         []Command[A]
	invariants       []func(S) error
	ids              func() string // nil when any id will do
	withoutSnapshots bool
	dropped          drops
}

// LawsOf returns the property test that [Check] runs.
//
//	laws := eventustest.LawsOf(Products, commands...).Invariant(priceIsPositive)
//	laws.Check(t)
func LawsOf[S any, E eventus.Event[S], A Aggregate[S, E]](definition *eventus.Definition[A, E], commands ...Command[A]) *Laws[S, E, A] {
	return lawsAt(here(), definition, commands)
}

func lawsAt[S any, E eventus.Event[S], A Aggregate[S, E]](at place, definition *eventus.Definition[A, E], commands []Command[A]) *Laws[S, E, A] {
	return &Laws[S, E, A]{at: at, definition: definition, commands: commands, dropped: make(drops)}
}

// Invariant adds a sentence about the state that holds after every command. The
// error says how it does not.
func (l *Laws[S, E, A]) Invariant(holds func(state S) error) *Laws[S, E, A] {
	l.invariants = append(l.invariants, holds)
	return l
}

// IDs sets where the ids of aggregates come from, for those that look at them.
// Each call returns another one. Without, they have the form of UUIDs.
func (l *Laws[S, E, A]) IDs(next func() string) *Laws[S, E, A] {
	l.ids = next
	return l
}

// WithoutSnapshots leaves out the law about snapshots, for a state that is never
// kept as one: no repository is made with [eventus.WithSnapshotEvery].
func (l *Laws[S, E, A]) WithoutSnapshots() *Laws[S, E, A] {
	l.withoutSnapshots = true
	return l
}

// Drops says that a field makes no difference on purpose: one that an event
// carries for others than its aggregate, or one of an old form that an upcast
// leaves out. The event is given by its wire name, the field by the path of Go
// names that leads to it, as in "Price.Currency". A path covers the fields below
// it; an empty one covers the whole event, which then may change nothing at all.
// "Tags[1]" is what a list has behind its first element.
func (l *Laws[S, E, A]) Drops(name, field string) *Laws[S, E, A] {
	l.dropped.add(name, field)
	return l
}
