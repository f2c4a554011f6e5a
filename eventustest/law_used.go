package eventustest

import (
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/eventus-go/eventus/store"
)

// A field without a difference has been tried so often at least, and is not
// tried more often than that.
const fewestTries, mostTries = 25, 200

// uses knows which fields of events were seen to make a difference to a state.
// An Apply that forgets a field keeps every other law.
//
// While the histories run, a field is tried with values that commands recorded.
// Made-up ones come at the end, for what is left: no command would record them,
// and Apply need not come to an end with them.
type uses struct {
	mu      sync.Mutex
	pool    *pool
	fields  map[fieldName]*use
	spoils  spoils
	endless []fieldName // where Apply did not come to an end
	dropped drops
}

type use struct {
	field fieldName
	made  bool // whether it made a difference
	tries int
	given [][]store.Event // the histories of tries; the event is the last of each
}

// mostGiven is how many histories of a field are kept for the end.
const mostGiven = 50

func newUses(dropped drops) *uses {
	return &uses{pool: newPool(), fields: make(map[fieldName]*use), spoils: make(spoils), dropped: dropped}
}

// next returns the field, when it is worth another try.
func (u *uses) next(name, path string, given []store.Event) *use {
	if u.dropped.covers(name, path) {
		return nil
	}
	field := fieldName{name, path}
	f := u.fields[field]
	if f == nil {
		f = &use{field: field}
		u.fields[field] = f
	}
	if f.made || f.tries >= mostTries {
		return nil
	}
	if f.tries++; len(f.given) < mostGiven {
		f.given = append(f.given, slices.Clone(given))
	} else if len(given) < len(f.given[0]) {
		f.given[0] = slices.Clone(given)
	}
	slices.SortStableFunc(f.given, func(a, b []store.Event) int { return len(a) - len(b) })
	return f
}

// doubtful lists the fields that made no difference in the few times they were
// tried.
func (u *uses) doubtful() (all []*use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, field := range sortedNames(maps.Keys(u.fields)) {
		if f := u.fields[field]; !f.made && f.tries < fewestTries {
			all = append(all, f)
		}
	}
	return all
}

// note takes down what a try of a field was.
func (u *uses) note(f *use, d difference) {
	f.made = d != none
	if d == endless {
		u.endless = append(u.endless, f.field)
	}
}

// observe tries the fields of each event of a history.
func (tr *trial[S, E, A]) observe(u *uses) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, e := range tr.events {
		if event, err := tr.decode(e); err == nil {
			v := addressable(event)
			u.pool.put(e, v)
			u.spoils.put(v, tr.events[:i+1])
		}
	}
	for i := range tr.events {
		at := tr.upTo(i + 1)
		for _, path := range at.fieldsOfLast() {
			if f := u.next(tr.events[i].Type, path, at.events); f != nil {
				u.note(f, at.usesSeen(path, u.pool))
			}
		}
	}
}

// unusedField returns the shortest history of a field that never made a
// difference, if there is one.
func (l *Laws[S, E, A]) unusedField(u *uses) (field fieldName, given []store.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	tr := newTrial(l.definition, ID)
	for _, field := range sortedNames(maps.Keys(u.fields)) {
		f := u.fields[field]
		for i := 0; i < len(f.given) && !f.made && f.tries >= fewestTries; i++ {
			tr.events = f.given[i]
			d := tr.usesSeen(field.path, u.pool)
			if d == none {
				d = tr.usesVaried(field.path)
			}
			u.note(f, d)
		}
		if !f.made && f.tries >= fewestTries {
			return field, f.given[0]
		}
	}
	return fieldName{}, nil
}

// fieldsOfLast lists the fields of the last event; the empty path stands for an
// event as a whole.
func (tr *trial[S, E, A]) fieldsOfLast() []string {
	event, err := tr.decode(tr.events[len(tr.events)-1])
	if err != nil {
		return nil
	}
	if paths := pathsOf(addressable(event)); len(paths) > 0 {
		return paths
	}
	return []string{""}
}

func addressable(v any) reflect.Value {
	copied := reflect.New(reflect.TypeOf(v)).Elem()
	copied.Set(reflect.ValueOf(v))
	return copied
}

// difference is what another value of a field made of the state.
type difference int

const (
	none    difference = iota
	some               // another state, or a panic, or there is no other value
	endless            // Apply did not come to an end
)

// uses reports whether the last event would make another state with another
// value of a field; of the empty path, whether it makes another state at all.
func (tr *trial[S, E, A]) uses(path string) bool {
	seen := newPool()
	for _, e := range tr.events {
		if event, err := tr.decode(e); err == nil {
			seen.put(e, addressable(event))
		}
	}
	return tr.usesSeen(path, seen) != none || tr.usesVaried(path) != none
}

// usesSeen tries values that were recorded.
func (tr *trial[S, E, A]) usesSeen(path string, from *pool) difference {
	last := tr.events[len(tr.events)-1]
	if path == "" {
		return tr.changes()
	}
	return tr.compared(path, func(p part) int { return len(from.others(last.Type, p)) }, func(p part, i int) bool {
		other := from.others(last.Type, p)[i]
		event, err := tr.decode(other.event)
		if err != nil {
			return false
		}
		return partAt(addressable(event), other.path, func(from part) {
			if p.second {
				p.v.Set(withSecond(p.v, from.v.Index(1)))
			} else {
				p.v.Set(from.v)
			}
		})
	})
}

// usesVaried tries values that are made up.
func (tr *trial[S, E, A]) usesVaried(path string) difference {
	if path == "" {
		return none
	}
	mild := values{texts: textsOf(false)}
	known := false
	d := tr.compared(path, func(p part) int {
		n := len(mild.variants(p))
		known = known || n > 0
		return n
	}, func(p part, i int) bool {
		p.v.Set(mild.variants(p)[i])
		return true
	})
	if !known {
		return some // where no other value is known, nothing is known of the field
	}
	return d
}

// changes reports whether the last event makes another state at all.
func (tr *trial[S, E, A]) changes() difference {
	was, ended := tr.upTo(len(tr.events) - 1).after(nil)
	if !ended || was == nil {
		return some
	}
	is, ended := tr.after(nil)
	if !ended || was.differs(is) {
		return some
	}
	return none
}

// compared sets the part of the last event at path to each of count values, and
// reports whether one of them makes another state.
func (tr *trial[S, E, A]) compared(path string, count func(part) int, set func(p part, i int) bool) difference {
	last := tr.events[len(tr.events)-1]
	before := tr.upTo(len(tr.events) - 1)
	n := 0
	event, err := tr.decode(last)
	if err != nil {
		return some
	}
	v := addressable(event)
	partAt(v, path, func(p part) { n = count(p) })
	if n == 0 {
		return none
	}
	is, _ := tr.after(nil)
	if is == nil {
		return some
	}
	for i := range n {
		event, err := tr.decode(last)
		if err != nil {
			return some
		}
		v, ok := addressable(event), false
		partAt(v, path, func(p part) { ok = set(p, i) })
		if !ok {
			continue
		}
		other := v.Interface().(E)
		switch state, ended := before.after(&other); {
		case !ended:
			return endless
		case is.differs(state):
			return some
		}
	}
	return none
}

// foldedState is a state with its text, which tells when another Apply has
// written to what they share.
type foldedState struct {
	state any
	text  string
}

// differs compares a state to a later one; nil is that of an Apply that panics.
func (s *foldedState) differs(later *foldedState) bool {
	if later == nil || diff(s.state, later.state) != "" {
		return true
	}
	return s.text != later.text && s.text != (printer{}).literal(s.state)
}

// after returns the state after the stored events and one more, nil when an
// Apply panics.
func (tr *trial[S, E, A]) after(event *E) (s *foldedState, ended bool) {
	events, v := tr.decoded()
	if v != nil {
		return nil, true
	}
	fold := func() *foldedState {
		state, v := tr.fold(events)
		if v != nil {
			return nil
		}
		return &foldedState{state, printer{}.literal(state)}
	}
	if event == nil {
		return fold(), true
	}
	events = append(events, *event)
	result := make(chan *foldedState, 1)
	if !guarded(func() { result <- fold() }) {
		return nil, false
	}
	select {
	case s := <-result:
		return s, true
	default: // a panic
		return nil, true
	}
}

// unused says what a forgotten field looks like.
func unused(f fieldName) *violation {
	if f.path == "" {
		return broken(lawUsed, "%s never changes the state; let Apply keep what it tells, or say LawsOf(...).Drops(%q, \"\")", f.event, f.event)
	}
	return broken(lawUsed, "%s makes no difference to the state for any value that was tried; let Apply keep it, or, where the event carries it for others, or where it does make a difference, say LawsOf(...).Drops(%q, %q)", f, f.event, f.path)
}

// forgotten writes a field that makes no difference as a test.
func (l *Laws[S, E, A]) forgotten(u *uses) *failure {
	field, given := l.unusedField(u)
	if given == nil {
		return nil
	}
	return &failure{unused(field), func(s *source) string {
		s.note("If Apply uses the field after other events alone, give those.")
		scenario := l.scenario(s, given)
		scenario.call("ThenUses(%q)", field.path)
		return writeTest(s, lawUsed, scenario.text())
	}}
}
