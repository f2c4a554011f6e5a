package eventustest

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/eventus-go/eventus/store"
	"github.com/google/go-cmp/cmp"
)

// spoils are histories with an event whose Apply could write to it: the event is
// the last, and the field leads to a list, a map or a text within one.
//
// What is recorded does not show an Apply that has written all it wants before
// the event is stored, by sorting for one. The same event in another order does.
type spoils map[fieldName][]seenAfter

type seenAfter struct {
	given []store.Event
	value string
}

const mostSpoils = 8

func (s spoils) put(v reflect.Value, given []store.Event) {
	last := given[len(given)-1]
	parts(v, func(p part) {
		field := fieldName{last.Type, p.path}
		if len(s[field]) >= mostSpoils || p.second || len(rewritten(p.v)) == 0 {
			return
		}
		value := fingerprintOf(p.v)
		if !slices.ContainsFunc(s[field], func(other seenAfter) bool { return other.value == value }) {
			s[field] = append(s[field], seenAfter{slices.Clone(given), value})
		}
	})
}

// rewritten returns what v may have been before an Apply wrote to it, as far as
// that needs no number or time that no command has recorded.
func rewritten(v reflect.Value) []reflect.Value {
	t := v.Type()
	if opaque(t) {
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		return retexted(v)
	case reflect.Slice, reflect.Map:
		all := structural(v)
		if textual(t) {
			all = append(all, filled(t, 0))
		}
		if v.Kind() == reflect.Slice && v.Len() > 0 && t.Elem().Kind() == reflect.String {
			for _, text := range retexted(v.Index(0)) {
				other := copyOf(v)
				other.Index(0).Set(text)
				all = append(all, other)
			}
		}
		return all
	}
	return nil
}

// retexted returns texts that an Apply that tidies up makes v of.
func retexted(v reflect.Value) []reflect.Value {
	c := &collector{part: v}
	for _, text := range []string{"", " " + strings.ToUpper(v.String()) + " "} {
		c.set(func(other reflect.Value) { other.SetString(text) })
	}
	return c.all
}

// textual reports whether there is nothing but text in a type.
func textual(t reflect.Type) bool {
	switch {
	case opaque(t):
		return false
	case t.Kind() == reflect.String, t.Kind() == reflect.Bool:
		return true
	case t.Kind() == reflect.Map:
		return textual(t.Key()) && textual(t.Elem())
	case isList(t):
		return t.Elem() != t && textual(t.Elem())
	}
	return false
}

// writes looks for an Apply that writes to its event. It returns the events up to
// that one, as it was.
func (l *Laws[S, E, A]) writes(u *uses) (*violation, []store.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, field := range sortedNames(maps.Keys(u.spoils)) {
		for _, s := range u.spoils[field] {
			tr := newTrial(l.definition, ID)
			tr.events = s.given
			v, given, ended := tr.spoilt(field.path)
			if v != nil {
				return v, given
			}
			if !ended {
				u.endless = append(u.endless, field)
				break
			}
		}
	}
	return nil, nil
}

// spoilt tries other forms of a part of the last event.
func (tr *trial[S, E, A]) spoilt(path string) (v *violation, given []store.Event, ended bool) {
	last := len(tr.events) - 1
	for i, more := 0, true; more; i++ {
		event, err := tr.decode(tr.events[last])
		if err != nil {
			break
		}
		made := addressable(event)
		more = false
		partAt(made, path, func(p part) {
			if all := rewritten(p.v); i < len(all) {
				p.v.Set(all[i])
				more = true
			}
		})
		if !more {
			break
		}
		if v, encoded, ended := tr.writesTo(made.Interface().(E)); v != nil || !ended {
			return v, append(slices.Clone(tr.events[:last]), encoded), ended
		}
	}
	return nil, nil, true
}

// writesTo applies an event that is made up after all events but the last.
func (tr *trial[S, E, A]) writesTo(made E) (v *violation, encoded store.Event, ended bool) {
	stored, v := tr.encode("made up", []E{made})
	if v != nil {
		return nil, encoded, true // not one that a store can have
	}
	event, err := tr.decode(stored[0])
	if err != nil {
		return nil, encoded, true
	}
	event = withRoom(event)
	was := fingerprint(event)
	before, v := tr.upTo(len(tr.events) - 1).decoded()
	if v != nil {
		return nil, encoded, true
	}
	ended = guarded(func() {
		state, v := tr.fold(before)
		if v == nil {
			event.Apply(&state) // with a panic perhaps, for it need not make sense
		}
	})
	if !ended {
		return nil, encoded, false
	}
	if is := fingerprint(event); is != was {
		return broken(lawPure, "Apply of %s has changed it (behind | is the room of a slice that an append filled)\n-before +after:\n%s", stored[0].Type, cmp.Diff(was, is)), stored[0], true
	}
	return nil, encoded, true
}
