package eventustest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"pgregory.net/rapid"
)

// CheckProjection feeds a projection with the events of random histories of two
// aggregates, as a broker does at its worst: messages come twice, too early, in
// transactions that roll back, and those of one aggregate before or after those
// of the other. The read model must be the one that a second projection makes of
// the same messages, fed once and in order; and the same again after a rebuild,
// when the projection has a method Reset(ctx, tx) error.
//
// open returns a read model that is empty. It is called twice for each history, and once before;
// what it registers by Cleanup runs at the end of the history.
//
// The test fails with the smallest history found, written as a scenario of
// [ForProjection].
//
//	eventustest.CheckProjection(t, Products, openViews, commands...)
func CheckProjection[S any, E eventus.Event[S], A Aggregate[S, E], Tx, V any](t testing.TB, definition *eventus.Definition[A, E], open func(t testing.TB) ReadModel[Tx, E, V], commands ...Command[A]) {
	t.Helper()
	at := here()
	l := lawsAt(at, definition, commands)
	if wrong := l.wrong(); wrong != "" {
		t.Fatal(wrong)
	}
	if open == nil {
		t.Fatal("no read model; give a function that opens one")
	}
	first := &scope{TB: t}
	given := open(first).once != nil
	first.end()
	if !given {
		t.Fatal("the function that opens the read model returns none; let it return what Projection does")
	}
	counts := make(counts, len(commands))
	histories, trouble := search(t, at, func(rt *rapid.T) (string, func() *failure) {
		steps := l.draw(rt)
		second := rapid.SliceOfN(rapid.Bool(), len(steps), len(steps)).Draw(rt, "aggregates")
		messages, v := l.publish(steps, second, counts)
		if v != nil {
			return v.detail, func() *failure {
				return &failure{v, func(*source) string { return "// Check finds the smallest history of the aggregate." }}
			}
		}
		order := shuffled(rt, messages)
		troubles := troubles(rt, len(order))
		key := fmt.Sprint(keyOf(steps), second, streamsOf(order), troubles)
		return key, func() *failure {
			in := &scope{TB: t}
			defer in.end()
			feed := feed[Tx, E, V]{ordered: open(in), troubled: open(in)}
			v := feed.run(messages, order, troubles)
			if v == nil {
				return nil
			}
			return &failure{v, func(s *source) string {
				in := &scope{TB: t}
				defer in.end()
				return writeFed(s, v, definition, order, func() ReadModel[Tx, E, V] { return open(in) })
			}}
		}
	})
	if trouble != "" {
		t.Fatal(trouble)
	}
	if untested := l.untested(counts); untested != "" {
		t.Fatal(untested)
	}
	t.Logf("%d histories came to the same read model; %s", histories, l.told(counts))
}

// ids are the aggregates of a projection's histories.
var ids = [2]string{"00000000-0000-7000-8000-00000000000a", "00000000-0000-7000-8000-00000000000b"}

// publish runs commands on two aggregates and returns the messages of their
// events, in the order of the log.
func (l *Laws[S, E, A]) publish(steps []step[A], second []bool, counts counts) ([]eventus.Message[E], *violation) {
	ctx := context.Background()
	tr := newTrial(l.definition, ID)
	for i, step := range steps {
		id := ids[0]
		if second[i] {
			id = ids[1]
		}
		var refused error
		var err error
		panicked := recovered(func() {
			_, err = tr.repository.Update(ctx, id, func(a A) error {
				refused = step.decide(a)
				return refused
			})
		})
		switch {
		case panicked != "":
			return nil, broken(lawCommand, "panic: %s", panicked)
		case err != nil && refused == nil:
			return nil, broken(lawStored, "%v", err)
		}
		counts.add(step.command, refused)
	}
	log, err := tr.store.ReadAll(ctx, 0, 1<<20)
	if err != nil {
		return nil, broken(lawStored, "%v", err)
	}
	messages := make([]eventus.Message[E], len(log))
	for i, m := range log {
		if messages[i], _, err = l.definition.Decode(m); err != nil {
			return nil, broken(lawStored, "%v", err)
		}
	}
	return messages, nil
}

// shuffled merges the messages of the two aggregates anew, each in its order.
func shuffled[E any](t *rapid.T, messages []eventus.Message[E]) []eventus.Message[E] {
	var of [2][]eventus.Message[E]
	for _, m := range messages {
		i := slices.Index(ids[:], m.Stream.ID)
		of[i] = append(of[i], m)
	}
	var order []eventus.Message[E]
	for len(of[0]) > 0 || len(of[1]) > 0 {
		i := 0
		if len(of[0]) == 0 || len(of[1]) > 0 && rapid.Bool().Draw(t, "the second first") {
			i = 1
		}
		order = append(order, of[i][0])
		of[i] = of[i][1:]
	}
	return order
}

// streamsOf tells in which order the aggregates come.
func streamsOf[E any](messages []eventus.Message[E]) []string {
	streams := make([]string, len(messages))
	for i, m := range messages {
		streams[i] = m.Stream.ID
	}
	return streams
}

// feed is one history on its way into two read models.
type feed[Tx, E, V any] struct {
	ordered, troubled ReadModel[Tx, E, V]
}

// trouble is what happens to a message beside its delivery.
type trouble struct {
	early, again int // places in the order: another message too early, and one again
	rollsBack    bool
}

// troubles makes up what happens to each of n messages.
func troubles(t *rapid.T, n int) []trouble {
	all := make([]trouble, n)
	for i := range all {
		all[i] = trouble{
			early:     i + rapid.IntRange(0, 2).Draw(t, "too early"),
			rollsBack: rapid.Bool().Draw(t, "rolls back"),
			again:     rapid.IntRange(0, i).Draw(t, "again"),
		}
	}
	return all
}

func (f *feed[Tx, E, V]) run(messages, order []eventus.Message[E], troubles []trouble) *violation {
	ctx := context.Background()
	refused := func(m eventus.Message[E], err error) *violation {
		v := broken(lawOnce, "%s version %d, %s, is refused: %v", m.Stream, m.Version, m.Type, err)
		v.slow = errors.Is(err, errStuck)
		return v
	}
	for _, m := range messages {
		if err := f.ordered.deliver(ctx, m); err != nil {
			return refused(m, err)
		}
	}
	for i, m := range order {
		trouble := troubles[i]
		if early := trouble.early; early > i && early < len(order) && order[early].Stream == m.Stream {
			_ = f.troubled.deliver(ctx, order[early]) // a gap: it comes again
		}
		if trouble.rollsBack {
			if err := f.troubled.attempt(ctx, m); err != nil {
				return refused(m, err)
			}
		}
		for _, m := range []eventus.Message[E]{m, order[trouble.again]} {
			if err := f.troubled.deliver(ctx, m); err != nil {
				return refused(m, err)
			}
		}
	}
	if v := f.compare(ctx, lawOnce); v != nil {
		return v
	}
	can, err := f.troubled.reset(ctx)
	if !can {
		return nil
	}
	for _, m := range order {
		if err == nil {
			err = f.troubled.deliver(ctx, m)
		}
	}
	if err != nil {
		return broken(lawRebuild, "%v", err)
	}
	return f.compare(ctx, lawRebuild)
}

func (f *feed[Tx, E, V]) compare(ctx context.Context, l law) *violation {
	for _, id := range ids {
		want, wantErr := f.ordered.read(ctx, id)
		got, err := f.troubled.read(ctx, id)
		switch d := diff(want, got); {
		case (wantErr == nil) != (err == nil):
			return broken(l, "aggregate %q: in order the read model says %v, with repeats and rollbacks %v", id, wantErr, err)
		case err == nil && d != "":
			return broken(l, "aggregate %q; look for writes outside of the transaction, memory in the projection, a clock, and rows that depend on other aggregates\n-once, in order +with repeats, rollbacks, the other aggregate first:\n%s", id, d)
		}
	}
	return nil
}

// writeFed writes messages as a scenario, with what the read model has of each
// aggregate, when it is fed with that alone, as what is wanted.
func writeFed[Tx, E, V any](s *source, v *violation, source Source[E], order []eventus.Message[E], open func() ReadModel[Tx, E, V]) string {
	given, of := &sentence{source: s}, ""
	given.call("given := %s(t, %s, %s(t))", s.ours("ForProjection"), s.definition(source.Stream("").Category), s.opener())
	for _, m := range order {
		if m.Stream.ID != of {
			of = m.Stream.ID
			given.call("Of(%q)", of)
		}
		stored, _ := source.Encode(m.Event) // as it was once before
		given.given(m.Event, reflect.TypeFor[E](), stored, true)
	}
	lines := []string{given.text()}
	for _, id := range ids {
		if v.slow {
			break
		}
		if has, err := alone(open(), order, id); err == nil {
			lines = append(lines, fmt.Sprintf("given.Of(%q).Then(%s)", id, s.expression(has, reflect.TypeFor[V]())))
		}
	}
	if len(lines) == 1 { // nothing can be read, as after an event that is refused
		lines = append(lines, fmt.Sprintf("given.Of(%q).ThenModel(func(%s, %s) {})", of, s.qualified("testing", "testing", "TB"), s.printer().typeName(reflect.TypeFor[V]())))
	}
	return writeTest(s, v.law, strings.Join(lines, "\n"))
}

// alone returns what a read model has for an aggregate when there is no other.
func alone[Tx, E, V any](model ReadModel[Tx, E, V], messages []eventus.Message[E], id string) (has V, err error) {
	ctx := context.Background()
	for _, m := range messages {
		if m.Stream.ID != id {
			continue
		}
		if err := model.deliver(ctx, m); err != nil {
			return has, err
		}
	}
	return model.read(ctx, id)
}

// scope is a test that ends before the real one does.
type scope struct {
	testing.TB
	cleanups []func()
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}
