package eventustest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

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

// keyOf tells a history from others.
func keyOf[A any](steps []step[A]) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%d", s.command)
		for _, a := range s.args {
			b.WriteString(" " + fingerprint(a.value))
		}
		b.WriteString("; ")
	}
	return b.String()
}

// history runs the commands one after the other and returns the first law that
// is broken.
func (l *Laws[S, E, A]) history(t testing.TB, steps []step[A], counts counts, uses *uses) *failure {
	if len(steps) == 0 {
		return nil
	}
	tr := l.trial()
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
		counts.add(step.command, o.err)
		if o.err == nil {
			if v, holds := l.holds(o.after); v != nil {
				return fail(v, step, holds)
			}
		}
		if len(o.recorded) > 0 {
			if v := tr.upTo(before).disturbed(step.decide, split); v != nil {
				return fail(v, step, nil)
			}
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

// mostMore is how many histories follow at most for what is not settled.
const mostMore = 1000

// settle runs further histories, the same ones each time, while a command was
// never accepted, or a field without a difference was tried too seldom to tell:
// its event is a rare one. It returns how many there were, and a law that one of
// them broke.
func (l *Laws[S, E, A]) settle(t testing.TB, counts counts, uses *uses) (more int, f *failure) {
	histories := rapid.Custom(l.draw)
	for ; more < mostMore && (counts.unsettled() || len(uses.doubtful()) > 0); more++ {
		steps := histories.Example(more)
		if f := l.history(t, steps, counts, uses); f != nil {
			return more, l.shorter(t, steps, f)
		}
	}
	return more, nil
}

// shorter leaves out commands of a history that its failure does not need.
func (l *Laws[S, E, A]) shorter(t testing.TB, steps []step[A], f *failure) *failure {
	for i := len(steps) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(steps), i, i+1)
		if g := l.history(t, without, nil, nil); g != nil && g.law == f.law {
			steps, f = without, g
		}
	}
	return f
}

// trial returns a trial of an aggregate with an id of its own.
func (l *Laws[S, E, A]) trial() *trial[S, E, A] {
	tr := newTrial(l.definition, "")
	if l.ids != nil {
		tr.ids = l.ids
	}
	return tr.anew()
}

// holds looks at the invariants of a state.
func (l *Laws[S, E, A]) holds(state S) (*violation, func(S) error) {
	for _, holds := range l.invariants {
		if err := holds(state); err != nil {
			return broken(lawHolds, "%v\nthe state is %s", err, printer{}.literal(state)), holds
		}
	}
	return nil, nil
}

// counts are how often each command was accepted and refused, and why it was
// refused for the first time. Nil counts nothing.
type counts []struct {
	accepted, refused int
	why               error
}

func (c counts) add(command int, refused error) {
	switch {
	case c == nil:
	case refused == nil:
		c[command].accepted++
	default:
		if c[command].refused++; c[command].why == nil {
			c[command].why = refused
		}
	}
}

func (c counts) accepted() (n int) {
	for i := range c {
		n += c[i].accepted
	}
	return n
}

// unsettled reports whether a command was never accepted, and was not refused
// often enough to take that for a mistake.
func (c counts) unsettled() bool {
	for i := range c {
		if c[i].accepted == 0 && c[i].refused < tooOften {
			return true
		}
	}
	return false
}

// tooOften is how often a command is refused, and never accepted, until that is
// taken for a mistake: one that is accepted once in a hundred times must not fail
// a test by bad luck.
const tooOften = 1000

// untested says what the histories have not tested, and the cure.
func (l *Laws[S, E, A]) untested(c counts) string {
	if c.accepted() == 0 {
		return fmt.Sprintf("no command of %s was ever accepted, so nothing was tested; give the command that begins a history, and generators of what it accepts (%s)", l.definition.Category(), l.told(c))
	}
	for i := range c {
		if c[i].accepted == 0 && c[i].refused >= tooOften {
			return fmt.Sprintf("command %s was never accepted, so what it does was not tested; give generators of what it accepts, or, where it needs a state that no history came to, a command that leads there (%s)", l.commands[i].name(), l.told(c))
		}
	}
	return ""
}

func (l *Laws[S, E, A]) told(c counts) string {
	told := make([]string, len(l.commands))
	for i, command := range l.commands {
		told[i] = fmt.Sprintf("%s accepted %d times, refused %d", command.name(), c[i].accepted, c[i].refused)
		if c[i].why != nil {
			told[i] += fmt.Sprintf(", at first because %q", c[i].why)
		}
	}
	return strings.Join(told, "; ")
}
