package eventustest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// same reports whether nothing in two values of one type differs, unexported
// fields included. It looks at what is there and asks no Equal method: those of
// a domain often mean "the same thing", and not "the same value". An empty slice
// or map is a nil one, for code that tells the two apart is rarely meant to. Times
// are the same instant on the same clock; functions can only be there or not.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameValue(reflect.ValueOf(a), reflect.ValueOf(b), nil)
}

// pair is two pointers that are being compared: a cycle is as equal as the rest.
type pair struct{ a, b uintptr }

func sameValue(a, b reflect.Value, seen map[pair]bool) bool {
	t := a.Type()
	switch {
	case t != b.Type():
		return false
	case t == timeType:
		return sameTime(a, b)
	case t == locationType.Elem():
		return a.Field(0).String() == b.Field(0).String()
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if a.Kind() != reflect.Pointer && a.Len() == 0 && b.Len() == 0 {
			return true
		}
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		p := pair{a.Pointer(), b.Pointer()}
		if a.Kind() != reflect.Slice {
			if seen[p] {
				return true
			}
			if seen == nil {
				seen = make(map[pair]bool)
			}
			seen[p] = true
		}
	}
	switch a.Kind() {
	case reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameValue(a.Elem(), b.Elem(), seen)
	case reflect.Pointer:
		return sameValue(a.Elem(), b.Elem(), seen)
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i), seen) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i), seen) {
				return false
			}
		}
		return true
	case reflect.Map:
		return sameMap(a, b, seen)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return a.IsNil() == b.IsNil()
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	default:
		return a.Equal(b)
	}
}

func sameMap(a, b reflect.Value, seen map[pair]bool) bool {
	if a.Len() != b.Len() {
		return false
	}
	for iter := a.MapRange(); iter.Next(); {
		other := b.MapIndex(iter.Key())
		if !other.IsValid() || !sameValue(iter.Value(), other, seen) {
			return false
		}
	}
	return true
}

// sameTime compares instants, and what the clock on the wall says.
func sameTime(a, b reflect.Value) bool {
	if !a.CanInterface() || !b.CanInterface() {
		return fingerprintOf(a) == fingerprintOf(b)
	}
	x, y := a.Interface().(time.Time), b.Interface().(time.Time)
	_, m := x.Zone()
	_, n := y.Zone()
	return x.Equal(y) && m == n
}

var timeType = reflect.TypeFor[time.Time]()

// diff returns what differs between a and b, empty when nothing does. It is
// written by cmp, unless an Equal method keeps cmp from seeing it.
func diff(a, b any) string {
	if same(a, b) {
		return ""
	}
	d := ""
	_ = recovered(func() { d = cmp.Diff(a, b, shown) })
	if d == "" {
		d = fmt.Sprintf("- %s\n+ %s", printer{}.literal(a), printer{}.literal(b))
	}
	return d
}

// changes returns what differs between two fingerprints, which are one long line
// each.
func changes(was, is string) string {
	lines := strings.NewReplacer("{", "{\n", ", ", "\n", "}", "\n}")
	return cmp.Diff(strings.Split(lines.Replace(was), "\n"), strings.Split(lines.Replace(is), "\n"))
}

// shown is how cmp writes a difference.
var shown = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.EquateEmpty(),
	cmpopts.EquateNaNs(),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
}

// lost returns what differs between an event and what the store gave back for
// it, with the reason as far as the event's type tells. Times have to be in UTC:
// the name of a zone is not stored, and which zone a reader gets instead depends
// on the reader's machine.
func lost(event, back any) string {
	d := diff(event, back)
	local := zoned(reflect.ValueOf(event), "", 0)
	if d == "" && len(local) == 0 {
		return ""
	}
	var b strings.Builder
	slices.Sort(local)
	for _, path := range slices.Compact(local) {
		fmt.Fprintf(&b, "%s is a time: the store keeps the instant, and UTC is the only zone that every reader gets back; record t.UTC()\n", path)
	}
	for _, reason := range reasons(reflect.TypeOf(event), "", nil) {
		fmt.Fprintf(&b, "%s\n", reason)
	}
	if d != "" {
		fmt.Fprintf(&b, "-event +stored:\n%s", d)
	}
	return b.String()
}

// zoned lists the paths of times in v that are not in UTC.
func zoned(v reflect.Value, path string, depth int) (all []string) {
	if depth > deepest {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			return zoned(v.Elem(), path, depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			all = append(all, zoned(v.Index(i), path, depth+1)...)
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			all = append(all, zoned(iter.Key(), path, depth+1)...)
			all = append(all, zoned(iter.Value(), path, depth+1)...)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			if v.CanInterface() && v.Interface().(time.Time).Location() != time.UTC {
				return []string{path}
			}
			return nil
		}
		for i := range v.NumField() {
			all = append(all, zoned(v.Field(i), under(path, v.Type().Field(i).Name), depth+1)...)
		}
	}
	return all
}

// reasons lists what in a type a codec does not carry.
func reasons(t reflect.Type, path string, seen []reflect.Type) []string {
	if slices.Contains(seen, t) {
		return nil
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return reasons(t.Elem(), path, seen)
	case reflect.Struct:
		if marshalsItself(t) {
			return nil
		}
	default:
		return nil
	}
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := under(path, f.Name)
		switch {
		case !f.IsExported() && !f.Anonymous:
			all = append(all, name+" is not exported, so the codec does not see it; export it")
		case f.Tag.Get("json") == "-":
			all = append(all, name+` has the tag json:"-", so the codec leaves it out`)
		case f.Type.Kind() == reflect.Interface:
			all = append(all, name+" is an interface, so the codec cannot tell which type to make of it; use a concrete type")
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
