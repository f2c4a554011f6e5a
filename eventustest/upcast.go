package eventustest

import (
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
		for _, path := range partsOf(reflect.TypeOf(info.Form)) {
			if !dropped[fieldName{info.Name, path}] && unread(definition, info, path) {
				return broken(lawUpcast, "%s: the field %s of %T makes no difference to the %T that it is read as; read it, or say LawsOf(...).Drops(%q, %q)", info.Name, path, info.Form, info.Event, info.Name, path)
			}
		}
	}
	return nil
}

// partsOf lists the paths of the parts of a type.
func partsOf(t reflect.Type) []string {
	var paths []string
	parts(filled(t, 0), "", func(path string, _ reflect.Value) {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	})
	return paths
}

// unread reports whether a part of an old form can have any value without a
// difference. What the upcast does not take, by a panic for one, tells nothing.
func unread[A, E any](definition *eventus.Definition[A, E], info eventus.EventInfo, path string) bool {
	read := func(form reflect.Value) (any, bool) {
		data, err := definition.Codec().Encode(form.Interface())
		if err != nil {
			return nil, false
		}
		m, _, err := definition.Decode(store.Message{Event: store.Event{Type: info.Name, ContentType: definition.Codec().ContentType(), Data: data}})
		return m.Event, err == nil
	}
	tried := false
	for line := range texts {
		t := reflect.TypeOf(info.Form)
		base, ok := read(filled(t, line))
		if !ok {
			continue
		}
		for form := range varied(func() reflect.Value { return filled(t, line) }, path, line) {
			other, ok := read(form)
			if !ok {
				continue
			}
			if diff(base, other) != "" {
				return false
			}
			tried = true
		}
	}
	return tried
}
