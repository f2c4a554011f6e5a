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
	fields := make(map[string]string)
	addBesides(fields, v.Elem(), "")
	return fields
}

func addBesides(fields map[string]string, v reflect.Value, path string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
			continue
		}
		switch {
		case f.Type.PkgPath() == rootPackage && strings.HasPrefix(f.Type.Name(), "Aggregate["):
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			addBesides(fields, v.Field(i), path+f.Name+".")
		case !v.Field(i).IsZero():
			fields[path+f.Name] = fingerprintOf(v.Field(i))
		}
	}
}

var rootPackage = reflect.TypeFor[eventus.DecodeError]().PkgPath()
