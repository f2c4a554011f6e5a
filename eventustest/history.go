package eventustest

import (
	"fmt"
	"strings"
	"sync/atomic"
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

// holds looks at the invariants of a state.
func (l *Laws[S, E, A]) holds(state S) (*violation, func(S) error) {
	for _, holds := range l.invariants {
		if err := holds(state); err != nil {
			return broken(lawHolds, "%v\nthe state is %s", err, printer{}.literal(state)), holds
		}
	}
	return nil, nil
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
