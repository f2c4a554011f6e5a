package eventustest

import (
	"reflect"
	"slices"
)

// lender hands out copies of an argument, so that a command which writes to it,
// by sorting it for one, gets it as it was the next time.
type lender[X any] struct {
	deep bool // whether a callee can write to what others see
}

func lenderOf[X any]() lender[X] { return lender[X]{refers(reflect.TypeFor[X]())} }

// lend returns a copy of an argument.
func (l lender[X]) lend(x X) X {
	if l.deep {
		copier{}.own(reflect.ValueOf(&x).Elem())
	}
	return x
}

// refers reports whether values of a type refer to something.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Array:
		return refers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if t != timeType && refers(t.Field(i).Type) {
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
	if v.Type() == timeType || !v.CanSet() && v.Kind() != reflect.Struct {
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
