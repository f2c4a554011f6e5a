package eventustest

import (
	"go/token"
	"reflect"
	"time"
)

// writer tells what can be written as an expression by those who own some types.
// A struct of others keeps its unexported fields to itself, and a type of others
// its name, if that is not exported.
type writer struct {
	own    func(reflect.Type) bool
	within map[reference]bool // false for what was looked at and can be written
}

func (w *writer) can(v reflect.Value, depth int) bool {
	t := v.Type()
	if depth > deepest {
		return false
	}
	if t == timeType {
		return true
	}
	if t == locationType && !v.IsNil() {
		return v.UnsafePointer() == reflect.ValueOf(time.UTC).UnsafePointer() || v.UnsafePointer() == reflect.ValueOf(time.Local).UnsafePointer()
	}
	if t.PkgPath() != "" && !token.IsExported(t.Name()) && !w.own(t) && v.Kind() != reflect.Interface {
		return false
	}
	switch v.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return v.IsNil()
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if v.IsNil() {
			return true
		}
		r := reference{v.UnsafePointer(), 0, t}
		if v.Kind() == reflect.Slice {
			r.length = v.Len()
		}
		if within, known := w.within[r]; known {
			return !within
		}
		if w.within == nil {
			w.within = make(map[reference]bool)
		}
		w.within[r] = true
		defer func() { w.within[r] = false }()
	}
	return w.parts(v, depth)
}

func (w *writer) parts(v reflect.Value, depth int) bool {
	switch v.Kind() {
	case reflect.Interface:
		return v.IsNil() || w.can(v.Elem(), depth+1)
	case reflect.Pointer:
		return w.can(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !w.can(v.Index(i), depth+1) {
				return false
			}
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			if !w.can(iter.Key(), depth+1) || !w.can(iter.Value(), depth+1) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case v.Field(i).IsZero():
				continue // it is not written
			case !f.IsExported() && !w.own(v.Type()), f.Name == "_", !w.can(v.Field(i), depth+1):
				return false
			}
		}
	}
	return true
}
