package eventustest

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// part is what can have another value by itself in a value.
type part struct {
	path string // of field names that leads to it
	// v is the part; of a second element, the list that it is in.
	v      reflect.Value
	second bool
}

// second is what the path of a list has behind it for its second element, which
// stands for all but the first.
const second = "[1]"

// parts calls visit with each part of v. Of a list or a map it goes into one
// element, and of a type that contains itself not into that again. What visit
// sets is in v afterwards. v is addressable.
func parts(v reflect.Value, visit func(part)) { walk(v, "", nil, visit) }

func walk(v reflect.Value, path string, seen []reflect.Type, visit func(part)) {
	t := v.Type()
	switch {
	case isStruct(t): // what is embedded may be settable in parts alone
		if slices.Contains(seen, t) {
			return
		}
		seen = append(slices.Clip(seen), t)
		for i := range v.NumField() {
			walk(v.Field(i), under(path, t.Field(i).Name), seen, visit)
		}
	case v.CanSet():
		visit(part{path: path, v: v})
		if isList(t) && v.Len() > 1 {
			visit(part{path: path + second, v: v, second: true})
		}
		inside(v, path, seen, visit)
	}
}

// inside goes through elements to the struct that they lead to.
func inside(v reflect.Value, path string, seen []reflect.Type, visit func(part)) {
	t := v.Type()
	if isStruct(t) {
		walk(v, path, seen, visit)
		return
	}
	if opaque(t) || slices.Contains(seen, t) {
		return
	}
	seen = append(slices.Clip(seen), t)
	switch {
	case isList(t) && v.Len() > 0:
		inside(v.Index(0), path, seen, visit)
	case v.Kind() == reflect.Pointer && !v.IsNil():
		inside(v.Elem(), path, seen, visit)
	case v.Kind() == reflect.Map && v.Len() > 0:
		key := sortedKeys(v)[0]
		element := reflect.New(t.Elem()).Elem()
		element.Set(v.MapIndex(key))
		inside(element, path, seen, visit)
		if !v.IsNil() {
			v.SetMapIndex(key, element)
		}
	}
}

func isStruct(t reflect.Type) bool { return t.Kind() == reflect.Struct && !opaque(t) }

func isList(t reflect.Type) bool {
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() != reflect.Uint8 && !opaque(t)
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fingerprintOf(a), fingerprintOf(b)) })
	return keys
}

// partsOf lists the paths of the parts of a type.
func partsOf(t reflect.Type) []string { return pathsOf(filled(t, 0)) }

func pathsOf(v reflect.Value) []string {
	var paths []string
	parts(v, func(p part) {
		if !slices.Contains(paths, p.path) {
			paths = append(paths, p.path)
		}
	})
	return paths
}

// partAt calls f with the part of v at a path, and reports whether there is one.
func partAt(v reflect.Value, path string, f func(part)) (found bool) {
	parts(v, func(p part) {
		if p.path == path && !found {
			found = true
			f(p)
		}
	})
	return found
}

// values are what a part can be made of besides what it is.
type values struct {
	texts []string
	wild  bool // whether any number and time will do, or those close by alone
}

// variants returns other values that a part could have.
func (vs values) variants(p part) []reflect.Value {
	if p.second {
		return vs.seconds(p.v)
	}
	return vs.others(p.v)
}

// collector gathers values of a type that are not one it knows.
type collector struct {
	part reflect.Value
	all  []reflect.Value
}

func (c *collector) add(v reflect.Value) {
	if !reflect.DeepEqual(v.Interface(), c.part.Interface()) {
		c.all = append(c.all, v)
	}
}

func (c *collector) set(set func(v reflect.Value)) {
	v := reflect.New(c.part.Type()).Elem()
	set(v)
	c.add(v)
}

// seconds varies a list behind its first element.
func (vs values) seconds(list reflect.Value) []reflect.Value {
	c := &collector{part: list}
	if list.Kind() == reflect.Slice {
		c.add(copyOf(list.Slice(0, list.Len()-1)))
	}
	for _, element := range vs.others(list.Index(1)) {
		c.add(withSecond(list, element))
	}
	return c.all
}

func withSecond(list, element reflect.Value) reflect.Value {
	list = copyOf(list)
	list.Index(1).Set(element)
	return list
}

// copyOf copies a list; what its elements lead to stays the same.
func copyOf(list reflect.Value) reflect.Value {
	copied := reflect.New(list.Type()).Elem()
	if list.Kind() == reflect.Slice {
		copied.Set(reflect.MakeSlice(list.Type(), list.Len(), list.Len()))
	}
	reflect.Copy(copied, list)
	return copied
}

func (vs values) others(v reflect.Value) []reflect.Value {
	t := v.Type()
	c := &collector{part: v}
	switch {
	case t == timeType && !vs.wild:
		for _, by := range []time.Duration{time.Second, 25 * time.Hour, -25 * time.Hour, 367 * 24 * time.Hour} {
			c.add(reflect.ValueOf(v.Interface().(time.Time).Add(by)))
		}
		return c.all
	case opaque(t):
		for _, value := range opaqueValues(t) {
			c.add(value)
		}
		c.add(reflect.Zero(t))
		return c.all
	}
	switch v.Kind() {
	case reflect.Bool:
		c.set(func(other reflect.Value) { other.SetBool(!v.Bool()) })
	case reflect.String:
		for _, text := range append([]string{"", v.String() + "x"}, vs.texts...) {
			c.set(func(other reflect.Value) { other.SetString(text) })
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		for _, n := range vs.numbers(v.Int()) {
			c.set(func(other reflect.Value) { other.SetInt(n) })
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		for _, n := range vs.numbers(int64(v.Uint() & math.MaxInt64)) {
			if n >= 0 {
				c.set(func(other reflect.Value) { other.SetUint(uint64(n)) })
			}
		}
	case reflect.Float32, reflect.Float64:
		for _, f := range []float64{v.Float() + 1, v.Float() - 0.5, v.Float() * 1000, 0, -v.Float()} {
			c.set(func(other reflect.Value) { other.SetFloat(f) })
		}
	case reflect.Struct:
		c.add(reflect.Zero(t))
		c.add(filled(t, 0))
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Array:
		c.add(reflect.Zero(t))
		c.all = append(c.all, structural(v)...)
		if vs.wild || isEmpty(v) {
			c.add(filled(t, 0))
		}
	}
	return c.all
}

// numbers returns others than n, those first that an Apply that counts to n is
// soon through with.
func (vs values) numbers(n int64) []int64 {
	const much = 100_000
	all := []int64{n + 1, n - 1}
	if -much < n && n < much {
		all = append(all, n*10, n*1000)
	}
	if vs.wild {
		for _, text := range vs.texts {
			if number, err := strconv.ParseInt(text, 0, 64); err == nil {
				all = append(all, number)
			}
		}
	}
	return append(all, 0, -n)
}

// structural returns values that are made of nothing but what is in v: other
// orders, elements twice or left out.
func structural(v reflect.Value) []reflect.Value {
	c := &collector{part: v}
	n := 0
	if v.Kind() != reflect.Pointer {
		n = v.Len()
	}
	if n == 0 || opaque(v.Type()) {
		return nil
	}
	switch v.Kind() {
	case reflect.Map:
		for _, key := range sortedKeys(v) {
			c.set(func(other reflect.Value) {
				other.Set(reflect.MakeMap(v.Type()))
				for iter := v.MapRange(); iter.Next(); {
					other.SetMapIndex(iter.Key(), iter.Value())
				}
				other.SetMapIndex(key, reflect.Value{})
			})
		}
	case reflect.Slice, reflect.Array:
		reversed := copyOf(v)
		for i := range n {
			reversed.Index(i).Set(v.Index(n - 1 - i))
		}
		c.add(reversed)
		if n > 2 {
			turned := copyOf(v)
			for i := range n {
				turned.Index(i).Set(v.Index((i + 1) % n))
			}
			c.add(turned)
		}
		if v.Kind() == reflect.Slice {
			c.add(copyOf(v.Slice(0, n-1)))
			c.add(reflect.AppendSlice(copyOf(v), v))
		}
	}
	return c.all
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil()
	}
	return false
}
