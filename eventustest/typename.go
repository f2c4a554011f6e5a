package eventustest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// typeName returns t as it is written in a program.
func (p printer) typeName(t reflect.Type) string {
	if p.name == nil {
		return t.String()
	}
	if t.Name() != "" {
		return p.name(t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + p.typeName(t.Elem())
	case reflect.Slice:
		return "[]" + p.typeName(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), p.typeName(t.Elem()))
	case reflect.Map:
		return "map[" + p.typeName(t.Key()) + "]" + p.typeName(t.Elem())
	case reflect.Chan:
		return map[reflect.ChanDir]string{reflect.BothDir: "chan ", reflect.RecvDir: "<-chan ", reflect.SendDir: "chan<- "}[t.ChanDir()] + "(" + p.typeName(t.Elem()) + ")"
	case reflect.Func:
		return "func" + p.signature(t)
	case reflect.Struct:
		return p.structName(t)
	case reflect.Interface:
		return p.interfaceName(t)
	default:
		return t.String()
	}
}

// methodOf returns how a method expression of a type begins.
func (p printer) methodOf(t reflect.Type) string {
	if t.Name() == "" {
		return "(" + p.typeName(t) + ")"
	}
	return p.typeName(t)
}

func (p printer) signature(t reflect.Type) string {
	in, out := make([]string, t.NumIn()), make([]string, t.NumOut())
	for i := range in {
		in[i] = p.typeName(t.In(i))
	}
	if t.IsVariadic() {
		in[len(in)-1] = "..." + strings.TrimPrefix(in[len(in)-1], "[]")
	}
	for i := range out {
		out[i] = p.typeName(t.Out(i))
	}
	text := "(" + strings.Join(in, ", ") + ")"
	switch len(out) {
	case 0:
		return text
	case 1:
		return text + " " + out[0]
	}
	return text + " (" + strings.Join(out, ", ") + ")"
}

func (p printer) structName(t reflect.Type) string {
	fields := make([]string, t.NumField())
	for i := range fields {
		f := t.Field(i)
		fields[i] = p.typeName(f.Type)
		if !f.Anonymous {
			fields[i] = f.Name + " " + fields[i]
		}
		if f.Tag != "" {
			fields[i] += " " + strconv.Quote(string(f.Tag))
		}
	}
	if len(fields) == 0 {
		return "struct{}"
	}
	return "struct { " + strings.Join(fields, "; ") + " }"
}

func (p printer) interfaceName(t reflect.Type) string {
	if t.NumMethod() == 0 {
		return "interface {}"
	}
	methods := make([]string, t.NumMethod())
	for i := range methods {
		methods[i] = t.Method(i).Name + p.signature(t.Method(i).Type)
	}
	return "interface { " + strings.Join(methods, "; ") + " }"
}
