package eventustest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
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
	lawsAt(here(1), definition, commands).Check(t)
}

// Laws is a property test of an aggregate, for more than [Check] says by itself.
// Its methods are called before the first check; after that it is safe for
// concurrent use.
type Laws[S any, E eventus.Event[S], A Aggregate[S, E]] struct {
	at               place
	definition       *eventus.Definition[A, E]
	commands         []Command[A]
	invariants       []func(S) error
	withoutSnapshots bool
	dropped          drops
}

// drop names a field that makes no difference on purpose.
type fieldName struct{ event, path string }

type drops map[fieldName]bool

// sorted returns the fields in the order of their names.
func (d drops) sorted() []fieldName {
	return slices.SortedFunc(maps.Keys(d), func(a, b fieldName) int {
		return cmp.Or(strings.Compare(a.event, b.event), strings.Compare(a.path, b.path))
	})
}

// LawsOf returns the property test that [Check] runs.
//
//	laws := eventustest.LawsOf(Products, commands...).Invariant(priceIsPositive)
//	laws.Check(t)
func LawsOf[S any, E eventus.Event[S], A Aggregate[S, E]](definition *eventus.Definition[A, E], commands ...Command[A]) *Laws[S, E, A] {
	return lawsAt(here(1), definition, commands)
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

// WithoutSnapshots leaves out the law about snapshots, for a state that is never
// kept as one: no repository is made with [eventus.SnapshotEvery].
func (l *Laws[S, E, A]) WithoutSnapshots() *Laws[S, E, A] {
	l.withoutSnapshots = true
	return l
}

// Drops says that a field makes no difference on purpose: one that an event
// carries for others than its aggregate, or one of an old form that an upcast
// leaves out. The event is given by its wire name, the field by the path of Go
// names that leads to it, as in "Price.Currency"; an empty one stands for an event
// that changes nothing at all.
func (l *Laws[S, E, A]) Drops(name, field string) *Laws[S, E, A] {
	l.dropped[fieldName{name, field}] = true
	return l
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
		t.Log(f.report(l.at))
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
	if v, event := writes[S](l.definition); v != nil {
		t.Fatal(l.failure(v, event, nil, nil).report(l.at))
	}
	counts := make(counts, len(l.commands))
	uses := newUses(l.dropped)
	histories, trouble := search(t, l.at, func(rt *rapid.T) *failure { return l.history(t, l.draw(rt), counts, uses) })
	if trouble != "" {
		t.Fatal(trouble)
	}
	if f := uses.forgotten(); f != nil {
		t.Fatal(l.forgotten(f).report(l.at))
	}
	if counts.accepted() == 0 {
		t.Fatalf("no command of %s was ever accepted, so nothing was tested; give the command that begins a history, and generators of what it accepts (%s)", l.definition.Category(), l.told(counts))
	}
	t.Logf("%d histories kept the laws; %s", histories, l.told(counts))
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
	return ""
}

// A history is some runs of commands, one after the other. Rapid draws short
// lists mostly; several of them make a history of about twenty commands, and
// shrink as well as one.
const runs, longestRun = 4, 10

// draw makes up a history.
func (l *Laws[S, E, A]) draw(t *rapid.T) []step[A] {
	one := rapid.Custom(func(t *rapid.T) step[A] {
		i := rapid.IntRange(0, len(l.commands)-1).Draw(t, "command")
		return step[A]{i, l.commands[i].draw(t)}
	})
	var steps []step[A]
	for range runs {
		steps = append(steps, rapid.SliceOfN(one, 0, longestRun).Draw(t, "commands")...)
	}
	return steps
}

// step is a call, and which of the commands it is of.
type step[A any] struct {
	command int
	call[A]
}

// history runs the commands one after the other and returns the first law that
// is broken.
func (l *Laws[S, E, A]) history(t testing.TB, steps []step[A], counts counts, uses *uses) *failure {
	if len(steps) == 0 {
		return nil
	}
	tr := newTrial(l.definition, anotherID())
	var split, before int // where the last batch of events begins, and the last command was given
	fail := func(v *violation, step *step[A], invariant func(S) error) *failure {
		return l.failure(v, tr.events[:before], &step.call, invariant)
	}
	for i := range steps {
		step := &steps[i]
		if len(tr.events) > before {
			split = before
		}
		before = len(tr.events)
		o, v := tr.decide(step.decide)
		if v != nil {
			return fail(v, step, nil)
		}
		counts.add(step.command, o.err == nil)
		if o.err != nil {
			continue
		}
		for _, holds := range l.invariants {
			if err := holds(o.after); err != nil {
				return fail(broken(lawHolds, "%v\nthe state is %s", err, printer{}.literal(o.after)), step, holds)
			}
		}
		if len(o.recorded) == 0 {
			continue
		}
		if v := tr.upTo(before).raced(step.decide); v != nil {
			return fail(v, step, nil)
		}
		if before == 0 {
			continue
		}
		if v := tr.upTo(before).retried(step.decide, split); v != nil {
			return fail(v, step, nil)
		}
	}
	v := tr.folded(t)
	if v == nil && !l.withoutSnapshots {
		v = tr.snapshots()
	}
	if v != nil {
		return fail(v, &steps[len(steps)-1], nil)
	}
	if uses != nil {
		tr.observe(uses)
	}
	return nil
}

// counts are how often each command was accepted and refused.
type counts []struct{ accepted, refused atomic.Int64 }

func (c counts) add(command int, accepted bool) {
	switch {
	case c == nil:
	case accepted:
		c[command].accepted.Add(1)
	default:
		c[command].refused.Add(1)
	}
}

func (c counts) accepted() (n int64) {
	for i := range c {
		n += c[i].accepted.Load()
	}
	return n
}

func (l *Laws[S, E, A]) told(c counts) string {
	told := make([]string, len(l.commands))
	for i, command := range l.commands {
		told[i] = fmt.Sprintf("%s accepted %d times, refused %d", command.name(), c[i].accepted.Load(), c[i].refused.Load())
	}
	return strings.Join(told, "; ")
}
