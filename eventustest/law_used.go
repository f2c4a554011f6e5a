package eventustest

import (
	"fmt"
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
type uses struct {
	mu      sync.Mutex
	fields  map[fieldName]*use
	dropped drops
}

type use struct {
	field fieldName
	made  bool // whether it made a difference
	tries int
	given []store.Event // the shortest history of a try; the event is its last
}

func newUses(dropped drops) *uses {
	return &uses{fields: make(map[fieldName]*use), dropped: dropped}
}

// next returns the field, when it is worth another try.
func (u *uses) next(name, path string, given []store.Event) *use {
	if u.dropped[fieldName{name, path}] {
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
	if f.tries++; f.given == nil || len(given) < len(f.given) {
		f.given = slices.Clone(given)
	}
	return f
}

// forgotten returns a field that never made a difference, if there is one.
func (u *uses) forgotten() *use {
	for _, field := range u.all().sorted() {
		if f := u.fields[field]; !f.made && f.tries >= fewestTries {
			return f
		}
	}
	return nil
}

func (u *uses) all() drops {
	all := make(drops, len(u.fields))
	for field := range u.fields {
		all[field] = true
	}
	return all
}

// observe tries the fields of each event of a history.
func (tr *trial[S, E, A]) observe(u *uses) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range tr.events {
		at := tr.upTo(i + 1)
		for _, path := range at.fieldsOfLast() {
			if f := u.next(tr.events[i].Type, path, at.events); f != nil {
				f.made = at.uses(path)
			}
		}
	}
}

// fieldsOfLast lists the fields of the last event; the empty path stands for an
// event as a whole.
func (tr *trial[S, E, A]) fieldsOfLast() []string {
	event, err := tr.decode(tr.events[len(tr.events)-1])
	if err != nil {
		return nil
	}
	var paths []string
	parts(addressable(event), "", func(path string, _ reflect.Value) {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	})
	if len(paths) == 0 {
		return []string{""}
	}
	return paths
}

func addressable(v any) reflect.Value {
	copied := reflect.New(reflect.TypeOf(v)).Elem()
	copied.Set(reflect.ValueOf(v))
	return copied
}

// uses reports whether the last event would make another state with another
// value of a field; of the empty path, whether it makes another state at all.
func (tr *trial[S, E, A]) uses(path string) bool {
	last := tr.events[len(tr.events)-1]
	before := tr.upTo(len(tr.events) - 1)
	was, panicked := before.after(nil)
	if panicked {
		return true
	}
	event, err := tr.decode(last)
	if err != nil {
		return true
	}
	is, panicked := before.after(&event)
	if panicked || path == "" {
		return panicked || diff(was, is) != ""
	}
	fresh := func() reflect.Value {
		event, _ := tr.decode(last)
		return addressable(event)
	}
	known := false // where no other value is known, nothing is known of the field
	for other := range varied(fresh, path, 0) {
		known = true
		event := other.Interface().(E)
		if state, panicked := before.after(&event); panicked || diff(is, state) != "" {
			return true
		}
	}
	return !known
}

// after returns the state after the stored events and one more.
func (tr *trial[S, E, A]) after(event *E) (state S, panicked bool) {
	events, v := tr.decoded()
	if v != nil {
		return state, true
	}
	if event != nil {
		events = append(events, *event)
	}
	state, v = tr.fold(events)
	return state, v != nil
}

// unused says what a forgotten field looks like.
func unused(f fieldName) *violation {
	if f.path == "" {
		return broken(lawUsed, "%s never changes the state; let Apply keep what it tells, or say LawsOf(...).Drops(%q, \"\")", f.event, f.event)
	}
	return broken(lawUsed, "the field %s of %s makes no difference to the state; let Apply keep it, or, where the event carries it for others, say LawsOf(...).Drops(%q, %q)", f.path, f.event, f.event, f.path)
}

// forgotten writes a forgotten field as a test.
func (l *Laws[S, E, A]) forgotten(f *use) *failure {
	return &failure{unused(f.field), func(s *source) string {
		sentence := l.begin(s)
		sentence = append(sentence, givenCalls(s, newTrial(l.definition, ID), f.given)...)
		sentence = append(sentence, fmt.Sprintf("ThenUses(%q)", f.field.path))
		return writeSentence(s, lawUsed, sentence)
	}}
}
