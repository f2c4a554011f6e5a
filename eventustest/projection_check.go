package eventustest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

// CheckProjection feeds a projection with the events of random histories of two
// aggregates, as a broker does at its worst: messages come twice, too early, in
// transactions that roll back, and those of one aggregate before or after those
// of the other. The read model must be the one that a second projection makes of
// the same messages, fed once and in order; and the same again after a rebuild,
// when the projection has a method Reset(ctx, tx) error.
//
// open returns a read model that is empty. It is called twice for each history;
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
	counts := make(counts, len(commands))
	histories, trouble := search(t, at, func(rt *rapid.T) *failure {
		steps := l.draw(rt)
		split := rapid.SliceOfN(rapid.Bool(), len(steps), len(steps)).Draw(rt, "aggregates")
		messages, v := l.publish(steps, split, counts)
		if v != nil {
			return &failure{v, func(*source) string { return "// Check finds the smallest history of the aggregate." }}
		}
		scope := &scope{TB: t}
		defer scope.end()
		feed := feed[Tx, E, V]{ordered: open(scope), troubled: open(scope)}
		order := shuffled(rt, messages)
		v = feed.run(rt, messages, order)
		if v == nil {
			return nil
		}
		for i, id := range ids {
			feed.wants[i] = alone(open(scope), messages, id)
		}
		return &failure{v, func(s *source) string { return feed.write(s, v.law, order, definition.Encode) }}
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
			err = tr.repository.Update(ctx, id, func(a A) error {
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

// feed is one history on its way into two read models.
type feed[Tx, E, V any] struct {
	ordered, troubled ReadModel[Tx, E, V]
	wants             [len(ids)]row[V] // by the place in ids
}

// row is what a read model has for an aggregate.
type row[V any] struct {
	has V
	err error
}

// alone returns what a read model has for an aggregate when there is no other.
func alone[Tx, E, V any](model ReadModel[Tx, E, V], messages []eventus.Message[E], id string) (r row[V]) {
	ctx := context.Background()
	for _, m := range messages {
		if m.Stream.ID != id {
			continue
		}
		if r.err = model.deliver(ctx, m); r.err != nil {
			return r
		}
	}
	r.has, r.err = model.read(ctx, id)
	return r
}

func (f *feed[Tx, E, V]) run(t *rapid.T, messages, order []eventus.Message[E]) *violation {
	ctx := context.Background()
	for _, m := range messages {
		if err := f.ordered.deliver(ctx, m); err != nil {
			return broken(lawOnce, "%s version %d, %s, is refused: %v", m.Stream, m.Version, m.Type, err)
		}
	}
	for i, m := range order {
		if early := i + rapid.IntRange(0, 2).Draw(t, "too early"); early > i && early < len(order) && order[early].Stream == m.Stream {
			_ = f.troubled.deliver(ctx, order[early]) // a gap: it comes again
		}
		if rapid.Bool().Draw(t, "rolls back") {
			if err := f.troubled.attempt(ctx, m); err != nil {
				return broken(lawOnce, "%s version %d, %s, is refused: %v", m.Stream, m.Version, m.Type, err)
			}
		}
		for _, m := range []eventus.Message[E]{m, order[rapid.IntRange(0, i).Draw(t, "again")]} {
			if err := f.troubled.deliver(ctx, m); err != nil {
				return broken(lawOnce, "%s version %d, %s, is refused: %v", m.Stream, m.Version, m.Type, err)
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

// write writes the messages as a scenario, with the read model of those that
// came in order as what is wanted.
func (f *feed[Tx, E, V]) write(s *source, l law, order []eventus.Message[E], encode func(E) (store.Event, error)) string {
	category, of := "", ""
	if len(order) > 0 {
		category = order[0].Stream.Category
	}
	sentence := []string{fmt.Sprintf("given := %s(t, %s, %s(t))", s.ours("ForProjection"), s.definition(category), s.opener())}
	for _, m := range order {
		if m.Stream.ID != of {
			of = m.Stream.ID
			sentence = append(sentence, fmt.Sprintf("Of(%q)", of))
		}
		stored, err := encode(m.Event)
		if err == nil && !s.writable(m.Event) {
			sentence = append(sentence, fmt.Sprintf("GivenStored(%q, %s)", stored.Type, quoted(string(stored.Data))))
		} else {
			sentence = append(sentence, fmt.Sprintf("Given(%s)", s.expression(m.Event, reflect.TypeFor[E]())))
		}
	}
	lines := []string{chain(sentence)}
	for i, id := range ids {
		if want := f.wants[i]; want.err == nil {
			lines = append(lines, fmt.Sprintf("given.Of(%q).Then(%s)", id, s.expression(want.has, reflect.TypeFor[V]())))
		}
	}
	if len(lines) == 1 { // nothing can be read, as after an event that is refused
		lines = append(lines, fmt.Sprintf("given.Of(%q).ThenModel(func(%s, %s) {})", of, s.qualified("testing", "testing", "TB"), s.printer().typeName(reflect.TypeFor[V]())))
	}
	return writeTest(s, l, strings.Join(lines, "\n"))
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
