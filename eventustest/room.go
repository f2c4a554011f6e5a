package eventustest

import "reflect"

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
	if depth > deepest || !v.CanSet() && v.Kind() != reflect.Struct {
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
