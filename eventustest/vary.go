package eventustest

import (
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
)

// texts are what strings are tried with, a line at a time. Code that reads
// numbers or dates out of a text finds some here.
var texts = [][]string{
	{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"},
	{"1", "2", "3", "4", "5", "6"},
	{"1.50", "2.75", "3.25"},
	{"EUR", "USD", "GBP"},
	{"true", "false"},
	{"2001-02-03", "2004-05-06", "2007-08-09"},
	{"2001-02-03T04:05:06Z", "2006-07-08T09:10:11Z"},
	{"00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"},
}

// filled returns a value of t in which nothing is empty, and each part is
// another, so that two that change places are seen. line chooses the texts.
func filled(t reflect.Type, line int) reflect.Value { return filledFrom(t, line, 0) }

// filledFrom leaves out the first n values that filled would take.
func filledFrom(t reflect.Type, line, n int) reflect.Value {
	v := reflect.New(t).Elem()
	f := filler{line, n}
	f.fill(v, nil)
	return v
}

type filler struct {
	line int
	n    int // how many parts are filled
}

func (f *filler) fill(v reflect.Value, seen []reflect.Type) {
	t := v.Type()
	if !v.CanSet() || slices.Contains(seen, t) {
		return
	}
	if opaque(t) {
		if all := opaqueValues(t); len(all) > 0 {
			v.Set(all[f.n%len(all)])
			f.n++
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Array, reflect.Slice, reflect.Pointer, reflect.Map:
		f.fillWhole(v, append(seen, t))
		return
	}
	n := f.n
	f.n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(texts[f.line%len(texts)][n%len(texts[f.line%len(texts)])])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(n%100 + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n%100 + 1))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(n) + 1.5)
	}
}

func (f *filler) fillWhole(v reflect.Value, seen []reflect.Type) {
	t := v.Type()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), seen)
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i), seen)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		f.fill(v.Index(0), seen)
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		f.fill(v.Elem(), seen)
	case reflect.Map:
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		f.fill(key, seen)
		f.fill(value, seen)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, value)
	}
}

// opaque reports whether a type is a value to the codec, whatever is in it.
func opaque(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && marshalsItself(t)
}

// opaqueValues returns values of a type that reads itself, as it reads them.
func opaqueValues(t reflect.Type) []reflect.Value {
	if t == timeType {
		return []reflect.Value{
			reflect.ValueOf(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)),
			reflect.ValueOf(time.Date(2006, 7, 8, 9, 10, 11, 0, time.UTC)),
		}
	}
	var values []reflect.Value
	for _, line := range texts {
		for _, text := range line {
			for _, data := range []string{`"` + text + `"`, text, "[" + text + "]"} {
				v := reflect.New(t)
				if json.Unmarshal([]byte(data), v.Interface()) == nil {
					values = append(values, v.Elem())
				}
			}
		}
	}
	return values
}

// parts calls visit with each part of v that can have another value by itself,
// and the path of field names that leads to it. Of a list or a map it goes into
// one element. What visit sets is in v afterwards. v is addressable.
func parts(v reflect.Value, path string, visit func(path string, part reflect.Value)) {
	t := v.Type()
	if !v.CanSet() {
		return
	}
	if t.Kind() == reflect.Struct && !opaque(t) {
		for i := range v.NumField() {
			parts(v.Field(i), strings.TrimPrefix(path+"."+t.Field(i).Name, "."), visit)
		}
		return
	}
	visit(path, v)
	if opaque(t) {
		return
	}
	switch {
	case v.Kind() == reflect.Slice && v.Len() > 0 && t.Elem().Kind() != reflect.Uint8:
		if isStruct(t.Elem()) {
			parts(v.Index(0), path, visit)
		}
	case v.Kind() == reflect.Pointer && !v.IsNil() && isStruct(t.Elem()):
		parts(v.Elem(), path, visit)
	case v.Kind() == reflect.Map && v.Len() > 0 && isStruct(t.Elem()):
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fingerprintOf(a), fingerprintOf(b)) })
		element := reflect.New(t.Elem()).Elem()
		element.Set(v.MapIndex(keys[0]))
		parts(element, path, visit)
		v.SetMapIndex(keys[0], element)
	}
}

func isStruct(t reflect.Type) bool { return t.Kind() == reflect.Struct && !opaque(t) }

// variants returns other values that a part could have.
func variants(part reflect.Value, line int) []reflect.Value {
	t := part.Type()
	var all []reflect.Value
	add := func(set func(v reflect.Value)) {
		v := reflect.New(t).Elem()
		set(v)
		if !reflect.DeepEqual(v.Interface(), part.Interface()) {
			all = append(all, v)
		}
	}
	if opaque(t) {
		for _, value := range opaqueValues(t) {
			add(func(v reflect.Value) { v.Set(value) })
		}
		return all
	}
	switch part.Kind() {
	case reflect.Bool:
		add(func(v reflect.Value) { v.SetBool(!part.Bool()) })
	case reflect.String:
		for _, text := range append([]string{"", part.String() + "x"}, texts[line%len(texts)]...) {
			add(func(v reflect.Value) { v.SetString(text) })
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		for _, by := range []int64{1, -1, 100} {
			add(func(v reflect.Value) { v.SetInt(part.Int() + by) })
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		for _, by := range []uint64{1, 100} {
			add(func(v reflect.Value) { v.SetUint(part.Uint() + by) })
		}
	case reflect.Float32, reflect.Float64:
		for _, by := range []float64{1, -0.5} {
			add(func(v reflect.Value) { v.SetFloat(part.Float() + by) })
		}
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Array:
		add(func(reflect.Value) {})
		add(func(v reflect.Value) { v.Set(filled(t, line)) })
		add(func(v reflect.Value) { v.Set(filled(t, line+1)) })
		if part.Kind() == reflect.Slice {
			add(func(v reflect.Value) { v.Set(reflect.AppendSlice(part.Slice3(0, part.Len(), part.Len()), part)) })
			// The greater one first, for code that sorts.
			add(func(v reflect.Value) { v.Set(reflect.AppendSlice(filledFrom(t, line, 1), filled(t, line))) })
		}
	}
	return all
}

// varied yields fresh values whose part at path is replaced, once by each of its
// variants.
func varied(fresh func() reflect.Value, path string, line int) iter.Seq[reflect.Value] {
	return func(yield func(reflect.Value) bool) {
		for i, more := 0, true; more; i++ {
			v := fresh()
			more = false
			parts(v, "", func(at string, part reflect.Value) {
				if at != path || more {
					return
				}
				if all := variants(part, line); i < len(all) {
					part.Set(all[i])
					more = true
				}
			})
			if more && !yield(v) {
				return
			}
		}
	}
}

// withRoom returns a copy of v in which each slice that a field leads to has
// room behind its length.
func withRoom[E any](v E) E {
	copied := reflect.New(reflect.TypeOf(v)).Elem()
	copied.Set(reflect.ValueOf(v))
	addRoom(copied, 0)
	return copied.Interface().(E)
}

func addRoom(v reflect.Value, depth int) {
	const room = 2
	if depth > deepest || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		roomy := reflect.MakeSlice(v.Type(), v.Len(), v.Len()+room)
		reflect.Copy(roomy, v)
		v.Set(roomy)
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			addRoom(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			addRoom(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			addRoom(v.Elem(), depth+1)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			addRoom(value, depth+1)
			v.SetMapIndex(key, value)
		}
	}
}
