package eventustest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/eventus-go/eventus"
	"pgregory.net/rapid"
)

// Check runs random histories of an aggregate and looks at the laws that every
// aggregate obeys, without a word about what this one is for:
//
//   - An event comes back from the store as it was recorded.
//   - A replay of the stored events gives the state that the command left, and
//     so does every snapshot with the events after it.
//   - Apply gives the same state for the same events, at any time. It does not
//     fail, does not write to its event, and shares nothing with it or with
//     another aggregate that a later Apply writes to.
//   - A refused command leaves events and state as they were. A command panics
//     never.
//   - A command that is retried after a conflict decides on fresh state, and of
//     two writers on one version one wins.
//   - Apply uses every field of its event, and an upcaster every field of the old
//     form. A field that is there for others is named by [Laws.Drops].
//
// The test fails with the smallest history found that breaks one, written as a
// scenario of [For] to paste into the test.
//
//	eventustest.Check(t, Products,
//		eventustest.Do2((*Product).Create, names, prices),
//		eventustest.Do1((*Product).Reprice, prices),
//		eventustest.Do((*Product).Discontinue),
//	)
//
// The flags are those of rapid: -rapid.checks is the number of histories, 100
// unless it is given, -rapid.seed repeats a run.
func Check[S any, E eventus.Event[S], A Aggregate[S, E]](t testing.TB, definition *eventus.Definition[A, E], commands ...Command[A]) {
	t.Helper()
	lawsAt(here(), definition, commands).Check(t)
}

// Property is the test of one random history. It makes a fuzz target:
//
//	f.Fuzz(rapid.MakeFuzz(laws.Property))
//
// Unlike [Laws.Check] it does not try another time: that needs a [testing.T].
func (l *Laws[S, E, A]) Property(t *rapid.T) {
	if wrong := l.wrong(); wrong != "" {
		t.Fatal(wrong)
	}
	if f := l.history(nil, l.draw(t), nil, nil); f != nil {
		t.Log(lazily(func() string { return f.report(l.at) })) // rapid prints that of the smallest one alone
		t.Fatal(string(f.law))
	}
}

// Fuzz makes the laws a fuzz target, with a few seeds to begin with. `go test`
// runs the seeds, `go test -fuzz` searches on, led by coverage.
//
//	func FuzzProduct(f *testing.F) { laws.Fuzz(f) }
func (l *Laws[S, E, A]) Fuzz(f *testing.F) {
	f.Helper()
	if wrong := l.wrong(); wrong != "" {
		f.Fatal(wrong)
	}
	const seeds, length = 8, 4096
	for seed := range byte(seeds) {
		input := make([]byte, length)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(input)
		f.Add(input)
	}
	f.Fuzz(rapid.MakeFuzz(l.Property))
}

// Check runs random histories. It fails the test at its caller's line.
func (l *Laws[S, E, A]) Check(t testing.TB) {
	t.Helper()
	if wrong := l.wrong(); wrong != "" {
		t.Fatal(wrong)
	}
	if v := upcasts(l.definition, l.dropped); v != nil {
		t.Fatal(l.failure(v, nil, nil, nil).report(l.at))
	}
	counts := make(counts, len(l.commands))
	uses := newUses(l.dropped)
	histories, trouble := search(t, l.at, func(rt *rapid.T) (string, func() *failure) {
		steps := l.draw(rt)
		return keyOf(steps), func() *failure { return l.history(t, steps, counts, uses) }
	})
	if trouble != "" {
		t.Fatal(trouble)
	}
	more, f := l.settle(t, counts, uses)
	if f != nil {
		t.Fatal(f.report(l.at))
	}
	if v, given := l.writes(uses); v != nil {
		t.Fatal(l.failure(v, given, nil, nil).report(l.at))
	}
	if f := l.forgotten(uses); f != nil {
		t.Fatal(f.report(l.at))
	}
	if untested := l.untested(counts); untested != "" {
		t.Fatal(untested)
	}
	if _, real := t.(*testing.T); !real {
		t.Log("no other times were tried: that takes a *testing.T")
	}
	t.Logf("%d histories kept the laws; %s", histories+more, l.told(counts))
	l.tellUnknown(t, uses)
}

// wrong says what keeps the laws from being looked at, and the cure.
func (l *Laws[S, E, A]) wrong() string {
	switch {
	case l.definition == nil:
		return "the definition is nil; give the result of eventus.Define"
	case oneForAll(l.definition):
		return oneForAllCure(l.definition)
	case len(l.commands) == 0:
		return fmt.Sprintf("no commands of %s; give some by Do, Do1, Do2 or Do3", l.definition.Category())
	}
	for _, c := range l.commands {
		if wrong := c.wrong(); wrong != "" {
			return wrong
		}
	}
	for _, holds := range l.invariants {
		if holds == nil {
			return fmt.Sprintf("an invariant of %s is nil; give a function of the state", l.definition.Category())
		}
	}
	if l.ids != nil {
		if err := l.definition.Stream(l.ids()).Check(); err != nil {
			return fmt.Sprintf("the function given to IDs returns no id: %v", err)
		}
	}
	return wrongDrops(l.definition, l.dropped)
}

// tellUnknown says what nothing is known of.
func (l *Laws[S, E, A]) tellUnknown(t testing.TB, uses *uses) {
	t.Helper()
	for _, name := range unreadable(l.definition) {
		t.Logf("%s: no form that was made up could be read, so that its upcast is not tested; give one by GivenStored", name)
	}
	for _, f := range uses.doubtful() {
		t.Logf("%s made no difference to the state in %d tries, which are too few to take it for forgotten", f.field, f.tries)
	}
	for _, field := range uses.endless {
		t.Logf("Apply did not come to an end within %s with a made-up value of %s, and was left running", patience, field)
	}
}
