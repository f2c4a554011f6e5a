package eventustest

import (
	"fmt"
	"reflect"
	"slices"
)

// spoils is what a command wrote to its arguments.
type spoils struct{ found string }

// spoilt says what a call of the command wrote to one of its arguments; empty
// when it was none.
func (s *spoils) spoilt() string { return s.found }

// lender hands out copies of an argument.
type lender[X any] struct {
	number int
	deep   bool // whether a callee can write to what others see
}

func lenderOf[X any](number int) lender[X] {
	return lender[X]{number, refers(reflect.TypeFor[X](), nil)}
}

// lend returns a copy of an argument, and a function that looks at it once the
// command has returned.
func (l lender[X]) lend(s *spoils, x X) (own X, look func()) {
	if !l.deep {
		return x, func() {}
	}
	c := copier{}
	own = x
	c.own(reflect.ValueOf(&own).Elem())
	lent := own
	was := fingerprint(lent)
	return own, func() {
		if is := fingerprint(lent); is != was {
			s.found = fmt.Sprintf("argument %d was %s, and is %s", l.number, was, is)
		}
	}
}

// refers reports whether values of a type refer to something.
func refers(t reflect.Type, seen []reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Array:
		return refers(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if t != timeType && refers(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// copier copies what values refer to, each thing once.
type copier map[reference]reflect.Value

// own replaces what a settable value refers to by copies.
func (c copier) own(v reflect.Value) {
	if !v.CanSet() || v.Type() == timeType {
		return
	}
	switch v.Kind() {
	case reflect.Array:
		for i := range v.Len() {
			c.own(v.Index(i))
		}
		return
	case reflect.Struct:
		for i := range v.NumField() {
			c.own(v.Field(i))
		}
		return
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		if v.IsNil() {
			return
		}
	default:
		return
	}
	if v.Kind() == reflect.Interface {
		within := reflect.New(v.Elem().Type()).Elem()
		within.Set(v.Elem())
		c.own(within)
		v.Set(within)
		return
	}
	r := reference{v.UnsafePointer(), 0, v.Type()}
	if v.Kind() == reflect.Slice {
		r.length = v.Len()
	}
	if known, ok := c[r]; ok {
		v.Set(known)
		return
	}
	c.refer(r, v)
}

func (c copier) refer(r reference, v reflect.Value) {
	t := v.Type()
	switch v.Kind() {
	case reflect.Pointer:
		if !open(t.Elem(), nil) {
			return
		}
		made := reflect.New(t.Elem())
		c[r] = made.Convert(t)
		made.Elem().Set(v.Elem())
		c.own(made.Elem())
	case reflect.Slice:
		made := reflect.MakeSlice(t, v.Len(), v.Len())
		c[r] = made
		reflect.Copy(made, v)
		for i := range made.Len() {
			c.own(made.Index(i))
		}
	case reflect.Map:
		made := reflect.MakeMapWithSize(t, v.Len())
		c[r] = made
		for iter := v.MapRange(); iter.Next(); {
			element := reflect.New(t.Elem()).Elem()
			element.Set(iter.Value())
			c.own(element)
			made.SetMapIndex(iter.Key(), element)
		}
	}
	v.Set(c[r])
}

// open reports whether a value of a type can be copied by all: a lock, for one,
// has unexported fields, and is not to be.
func open(t reflect.Type, seen []reflect.Type) bool {
	if t == timeType || slices.Contains(seen, t) {
		return true
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Array:
		return open(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); !f.IsExported() || !open(f.Type, seen) {
				return false
			}
		}
	}
	return true
}
