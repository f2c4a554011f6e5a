package eventustest

import (
	"math/rand/v2"
	"reflect"
	"slices"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
)

// upcasts looks for fields of old forms that make no difference to the event
// that is read. An old form has no fields for fun: where the new one has no use
// for a field, dropped says so, by wire name and path.
func upcasts[A, E any](definition *eventus.Definition[A, E], dropped drops) *violation {
	for _, info := range definition.Types() {
		if !info.Upcast || info.Form == nil {
			continue
		}
		u := &upcast[A, E]{definition: definition, info: info}
		for _, path := range partsOf(reflect.TypeOf(info.Form)) {
			if !dropped.covers(info.Name, path) && u.unread(path) {
				return broken(lawUpcast, "%s: the field %s of %T makes no difference to the %T that it is read as, for any value that was tried; read it, or, where it does make a difference or is left out on purpose, say LawsOf(...).Drops(%q, %q)", info.Name, path, info.Form, info.Event, info.Name, path)
			}
		}
	}
	return nil
}

// unreadable lists the old forms of which no made-up one could be read: nothing
// is known of those.
func unreadable[A, E any](definition *eventus.Definition[A, E]) []string {
	var names []string
	for _, info := range definition.Types() {
		if info.Upcast && info.Form != nil && len((&upcast[A, E]{definition: definition, info: info}).bases()) == 0 {
			names = append(names, info.Name)
		}
	}
	return names
}

// upcast is an old form of a definition.
type upcast[A, E any] struct {
	definition *eventus.Definition[A, E]
	info       eventus.EventInfo
	found      []newForm
}

// newForm makes a fresh form; one that can be read.
type newForm func() reflect.Value

// read returns what a form is read as. What the upcast does not take, by a panic
// for one, tells nothing, and so does one that does not come to an end.
func (u *upcast[A, E]) read(form reflect.Value) (event any, ok bool) {
	type result struct {
		event any
		ok    bool
	}
	results := make(chan result, 1)
	guarded(func() {
		codec := u.definition.Codec()
		data, err := codec.Encode(form.Interface())
		if err != nil {
			return
		}
		m, _, err := u.definition.Decode(store.Message{Event: store.Event{Type: u.info.Name, ContentType: codec.ContentType(), Data: data}})
		results <- result{m.Event, err == nil}
	})
	select {
	case r := <-results:
		return r.event, r.ok
	default:
		return nil, false
	}
}

// bases returns forms that can be read and in which nothing is empty: those with
// one kind of texts throughout, or else one that has found a kind for each field.
func (u *upcast[A, E]) bases() []newForm {
	if u.found != nil {
		return u.found
	}
	t := reflect.TypeOf(u.info.Form)
	u.found = []newForm{}
	const most = 3
	for line := range texts {
		if len(u.found) < most {
			u.base(func() reflect.Value { return filled(t, line) })
		}
	}
	// Some fields are strict, each in its own way. Of three that are content with
	// the common kinds of texts, a form in 4096 has it right; of two that are
	// not, one in some nine thousand.
	const tries, common = 20_000, 16
	random := rand.New(rand.NewPCG(1, 2))
	paths := partsOf(t)
	for try := 0; try < tries && len(u.found) == 0; try++ {
		kinds := len(texts)
		if try < tries/2 {
			kinds = common
		}
		lines := make(map[string]int)
		for _, path := range paths {
			lines[path] = random.IntN(kinds)
		}
		u.base(func() reflect.Value { return filledBy(t, func(path string) int { return lines[path] }) })
	}
	return u.found
}

func (u *upcast[A, E]) base(form newForm) {
	if _, ok := u.read(form()); ok {
		u.found = append(u.found, form)
	}
}

// unread reports whether a part of an old form can have any value without a
// difference: in a form in which all is filled, and in one in which another part
// is empty, which may be what it stands in for.
func (u *upcast[A, E]) unread(path string) bool {
	tried := false
	all := values{texts: append(textsOf(true), literals(reflect.TypeOf(u.info.Event))...), wild: true}
	for _, form := range u.bases() {
		for _, empty := range append([]string{""}, pathsOf(form())...) {
			if empty != "" && slices.Contains(slices.Collect(prefixes(path)), empty) {
				continue
			}
			emptied := func() reflect.Value {
				v := form()
				if empty != "" {
					partAt(v, empty, func(p part) {
						if !p.second {
							p.v.SetZero()
						}
					})
				}
				return v
			}
			makes, ok := u.makesDifference(emptied, path, all)
			if makes {
				return false
			}
			tried = tried || ok
		}
	}
	return tried
}

// makesDifference tries all values of a part of a form.
func (u *upcast[A, E]) makesDifference(form newForm, path string, all values) (makes, tried bool) {
	base, ok := u.read(form())
	if !ok {
		return false, false
	}
	n := 0
	partAt(form(), path, func(p part) { n = len(all.variants(p)) })
	for i := range n {
		v := form()
		partAt(v, path, func(p part) { p.v.Set(all.variants(p)[i]) })
		other, ok := u.read(v)
		if !ok {
			continue
		}
		if diff(base, other) != "" {
			return true, true
		}
		tried = true
	}
	return false, tried
}
