package eventustest

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Values are equal when nothing in them differs, unexported fields included. An
// empty slice or map is a nil one: code that tells the two apart is rarely
// meant to.
var equal = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b time.Time) bool {
		_, x := a.Zone()
		_, y := b.Zone()
		return a.Equal(b) && x == y
	}),
}

// stored is equal, and asks for times in UTC. The name of a zone is not stored,
// and which zone a reader gets instead depends on the reader's machine.
var stored = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b time.Time) bool {
		return a.Equal(b) && a.Location() == time.UTC && b.Location() == time.UTC
	}),
}

// diff returns what differs between a and b, empty when nothing does. Most
// values are deeply equal, which costs a fraction of a comparison.
func diff(a, b any) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b, equal)
}

// lost returns what differs between an event and what the store gave back for
// it, with the reason as far as the event's type tells.
func lost(event, back any) string {
	if reflect.DeepEqual(event, back) && !zoned(reflect.ValueOf(event), 0) {
		return ""
	}
	d := cmp.Diff(event, back, stored)
	if d == "" {
		return ""
	}
	var b strings.Builder
	for _, reason := range reasons(reflect.TypeOf(event), "", nil) {
		fmt.Fprintf(&b, "%s\n", reason)
	}
	return b.String() + "-event +stored:\n" + d
}

var timeType = reflect.TypeFor[time.Time]()

// zoned reports whether there may be a time in v that is not in UTC.
func zoned(v reflect.Value, depth int) bool {
	if depth > deepest {
		return true
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return !v.IsNil() && zoned(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if zoned(v.Index(i), depth+1) {
				return true
			}
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			if zoned(iter.Key(), depth+1) || zoned(iter.Value(), depth+1) {
				return true
			}
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return !v.CanInterface() || v.Interface().(time.Time).Location() != time.UTC
		}
		for i := range v.NumField() {
			if zoned(v.Field(i), depth+1) {
				return true
			}
		}
	}
	return false
}

// reasons lists what in an event's type a codec does not carry.
func reasons(t reflect.Type, path string, seen []reflect.Type) []string {
	for _, s := range seen {
		if s == t {
			return nil
		}
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return reasons(t.Elem(), path, seen)
	case reflect.Struct:
		if t == timeType {
			return []string{strings.TrimPrefix(path, ".") + " is a time: the store keeps the instant, and UTC is the only zone that every reader gets back; record t.UTC()"}
		}
		if marshalsItself(t) {
			return nil
		}
	default:
		return nil
	}
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := path + "." + f.Name
		switch {
		case !f.IsExported() && !f.Anonymous:
			all = append(all, name[1:]+" is not exported, so the codec does not see it; export it")
		case f.Tag.Get("json") == "-":
			all = append(all, name[1:]+` has the tag json:"-", so the codec leaves it out`)
		case f.Type.Kind() == reflect.Interface:
			all = append(all, name[1:]+" is an interface, so the codec cannot tell which type to make of it; use a concrete type")
		default:
			all = append(all, reasons(f.Type, name, seen)...)
		}
	}
	return all
}

// marshalsItself reports whether a type has a form of its own in JSON.
func marshalsItself(t reflect.Type) bool {
	for _, name := range []string{"MarshalJSON", "MarshalText", "MarshalJSONTo"} {
		if _, ok := reflect.PointerTo(t).MethodByName(name); ok {
			return true
		}
	}
	return false
}
