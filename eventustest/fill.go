package eventustest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// filled returns a value of t in which nothing is empty, and each part is
// another, so that two that change places are seen. A list has two elements.
// line chooses the texts.
func filled(t reflect.Type, line int) reflect.Value {
	return filledBy(t, func(string) int { return line })
}

// filledBy lets the line of texts depend on the path of field names.
func filledBy(t reflect.Type, line func(path string) int) reflect.Value {
	v := reflect.New(t).Elem()
	f := filler{line: line}
	f.fill(v, "", nil)
	return v
}

type filler struct {
	line func(path string) int
	n    int // how many parts are filled
}

func (f *filler) fill(v reflect.Value, path string, seen []reflect.Type) {
	t := v.Type()
	if slices.Contains(seen, t) {
		return
	}
	if isStruct(t) { // what is embedded may be settable in parts alone
		for i := range v.NumField() {
			f.fill(v.Field(i), under(path, t.Field(i).Name), append(seen, t))
		}
		return
	}
	if !v.CanSet() {
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
	case reflect.Array, reflect.Slice, reflect.Pointer, reflect.Map:
		f.fillWhole(v, path, append(seen, t))
		return
	}
	n := f.n
	f.n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		line := texts[f.line(path)%len(texts)]
		v.SetString(line[n%len(line)])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(n%100 + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n%100 + 1))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(n) + 1.5)
	}
}

func (f *filler) fillWhole(v reflect.Value, path string, seen []reflect.Type) {
	t := v.Type()
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i), path, seen)
		}
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		f.fill(v.Elem(), path, seen)
	case reflect.Map:
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		f.fill(key, path, seen)
		f.fill(value, path, seen)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, value)
	}
}

// under returns the path of a field.
func under(path, field string) string { return strings.TrimPrefix(path+"."+field, ".") }

// opaque reports whether a type is a value to the codec, whatever is in it.
func opaque(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && marshalsItself(t)
}

// opaqueValues returns fresh values of a type that reads itself, as it reads
// them.
func opaqueValues(t reflect.Type) []reflect.Value {
	if t == timeType {
		return []reflect.Value{
			reflect.ValueOf(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)),
			reflect.ValueOf(time.Date(2006, 7, 8, 9, 10, 11, 0, time.UTC)),
		}
	}
	var values []reflect.Value
	for _, data := range readable(t) {
		if v, ok := unmarshalled(t, data); ok {
			values = append(values, v)
		}
	}
	return values
}

// readables has what a type that reads itself could read. Most texts are not for
// it, and it is asked often.
var readables sync.Map // of reflect.Type, to []string

// readable lists texts of JSON that a type reads, one for each value.
func readable(t reflect.Type) []string {
	if known, ok := readables.Load(t); ok {
		return known.([]string)
	}
	const most = 24
	var all, values []string
	try := func(texts []string) {
		for _, text := range texts {
			quoted, _ := json.Marshal(text)
			for _, data := range []string{string(quoted), text, "[" + text + "]"} {
				v, ok := unmarshalled(t, data)
				if !ok || len(all) == most {
					continue
				}
				if value := fingerprintOf(v); !slices.Contains(values, value) {
					all, values = append(all, data), append(values, value)
				}
			}
		}
	}
	try(textsOf(true))
	if len(all) == 0 {
		try(literals(t))
	}
	readables.Store(t, all)
	return all
}

// unmarshalled lets a type read a text that is hardly for it: a panic is a no.
func unmarshalled(t reflect.Type, data string) (reflect.Value, bool) {
	v := reflect.New(t)
	err := fmt.Errorf("no")
	if panicked := recovered(func() { err = json.Unmarshal([]byte(data), v.Interface()) }); panicked != "" {
		return v, false
	}
	return v.Elem(), err == nil
}
