package eventustest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// field is a part of a stored form: the path of names that leads to it, with []
// for the elements of a list and {} for those of a map, and its type.
type field struct {
	path, typ string
}

// shapeOf lists the fields of a stored form, in the order of the Go type. Names
// are those of the JSON tags, whatever the codec is: it may change.
func shapeOf(t reflect.Type) []field {
	var s shaper
	s.add(t, "", "", nil)
	return s.fields
}

type shaper struct{ fields []field }

// add lists t, which stands at path. options say when the field is left out.
func (s *shaper) add(t reflect.Type, path, options string, seen []reflect.Type) {
	if slices.Contains(seen, t) {
		s.put(path, "as above", options)
		return
	}
	optional := ""
	for t.Kind() == reflect.Pointer {
		t, optional = t.Elem(), " or null"
	}
	switch {
	case t == timeType:
		s.put(path, "time"+optional, options)
		return
	case t == reflect.TypeFor[time.Duration]():
		s.put(path, "duration"+optional, options)
		return
	case opaque(t):
		s.put(path, "custom"+optional, options)
		return
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Struct:
		if path != "" {
			s.put(path, "object"+optional, options)
		}
		s.addFields(t, path, seen)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			s.put(path, "bytes"+optional, options)
			return
		}
		s.put(path, "list"+optional, options)
		s.add(t.Elem(), path+"[]", "", seen)
	case reflect.Map:
		s.put(path, "map"+optional, options)
		s.add(t.Elem(), path+"{}", "", seen)
	case reflect.Interface:
		s.put(path, "any", options)
	default:
		s.put(path, t.Kind().String()+optional, options)
	}
}

func (s *shaper) addFields(t reflect.Type, path string, seen []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-" && options == "":
			continue
		case f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct && !opaque(f.Type):
			s.addFields(f.Type, path, seen)
			continue
		case !f.IsExported():
			continue
		}
		name := cmp.Or(tag, f.Name)
		s.add(f.Type, strings.TrimPrefix(path+"."+name, "."), strings.ReplaceAll(options, ",", " "), seen)
	}
}

func (s *shaper) put(path, typ, options string) {
	if path == "" {
		path = "."
	}
	s.fields = append(s.fields, field{path, strings.TrimSpace(fmt.Sprintf("%s %s", typ, options))})
}
