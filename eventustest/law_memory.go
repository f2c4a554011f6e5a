package eventustest

import (
	"reflect"
	"strings"

	"github.com/eventus-go/eventus"
)

// besides returns the values that an aggregate has next to its state. What
// points elsewhere, a service for one, is not looked at.
func besides(aggregate any) map[string]string {
	v := reflect.ValueOf(aggregate)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	v = v.Elem()
	var fields map[string]string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
			continue
		}
		if holdsRoot(f) || v.Field(i).IsZero() {
			continue
		}
		if fields == nil {
			fields = make(map[string]string)
		}
		fields[f.Name] = fingerprintOf(v.Field(i))
	}
	return fields
}

// holdsRoot reports whether a field is the embedded Aggregate, or embeds it.
func holdsRoot(f reflect.StructField) bool {
	if !f.Anonymous || f.Type.Kind() != reflect.Struct {
		return false
	}
	if f.Type.PkgPath() == rootPackage && strings.HasPrefix(f.Type.Name(), "Aggregate[") {
		return true
	}
	for i := range f.Type.NumField() {
		if holdsRoot(f.Type.Field(i)) {
			return true
		}
	}
	return false
}

var rootPackage = reflect.TypeFor[eventus.DecodeError]().PkgPath()
