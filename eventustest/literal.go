package eventustest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// printer writes values as Go expressions.
type printer struct {
	// name returns how a declared type is written; nil writes the type as
	// fmt does.
	name func(reflect.Type) string
	// spare writes what a slice holds behind its length as well.
	spare bool
}

// literal returns v as a Go expression of its own type.
func (p printer) literal(v any) string {
	if v == nil {
		return "nil"
	}
	var b strings.Builder
	p.write(&b, reflect.ValueOf(v), true, 0)
	return b.String()
}

// fingerprint returns a text that is the same for values that are the same,
// unexported fields and the spare room of slices included: a shadow copy that
// nothing can write to.
func fingerprint(v any) string { return fingerprintOf(reflect.ValueOf(v)) }

func fingerprintOf(v reflect.Value) string {
	if !v.IsValid() {
		return "nil"
	}
	var b strings.Builder
	printer{spare: true}.write(&b, v, true, 0)
	return b.String()
}

// deepest bounds the walk of values that contain themselves.
const deepest = 40

// write appends v. Where the context gives the type, as inside of a composite
// literal, typed is false and constants go without a conversion.
func (p printer) write(b *strings.Builder, v reflect.Value, typed bool, depth int) {
	t := v.Type()
	switch {
	case depth > deepest:
		b.WriteString("nil")
		return
	case t == timeType:
		p.writeTime(b, v)
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		p.write(b, v.Elem(), true, depth+1)
	case reflect.Pointer:
		p.writePointer(b, v, typed, depth)
	case reflect.Struct:
		p.writeStruct(b, v, depth)
	case reflect.Slice, reflect.Array:
		p.writeList(b, v, typed, depth)
	case reflect.Map:
		p.writeMap(b, v, typed, depth)
	default:
		p.writeScalar(b, v, typed)
	}
}

func (p printer) writeTime(b *strings.Builder, v reflect.Value) {
	if !v.CanInterface() {
		fmt.Fprintf(b, "time(%d, %d)", v.Field(0).Uint(), v.Field(1).Int())
		return
	}
	at := v.Interface().(time.Time)
	pkg := strings.TrimSuffix(p.typeName(timeType), "Time")
	if at.IsZero() {
		fmt.Fprintf(b, "%sTime{}", pkg)
		return
	}
	zone := pkg + "UTC"
	if name, offset := at.Zone(); at.Location() != time.UTC {
		zone = fmt.Sprintf("%sFixedZone(%q, %d)", pkg, name, offset)
	}
	fmt.Fprintf(b, "%sDate(%d, %d, %d, %d, %d, %d, %d, %s)", pkg, at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), zone)
}

func (p printer) writePointer(b *strings.Builder, v reflect.Value, typed bool, depth int) {
	switch {
	case v.IsNil() && typed:
		fmt.Fprintf(b, "(%s)(nil)", p.typeName(v.Type()))
	case v.IsNil():
		b.WriteString("nil")
	case v.Elem().Kind() == reflect.Struct && v.Elem().Type() != timeType:
		b.WriteString("&")
		p.write(b, v.Elem(), true, depth+1)
	default:
		b.WriteString("new(")
		p.write(b, v.Elem(), true, depth+1)
		b.WriteString(")")
	}
}

func (p printer) writeStruct(b *strings.Builder, v reflect.Value, depth int) {
	t := v.Type()
	b.WriteString(p.typeName(t))
	b.WriteString("{")
	first := true
	for i := range t.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.WriteString(t.Field(i).Name)
		b.WriteString(": ")
		p.write(b, v.Field(i), false, depth+1)
	}
	b.WriteString("}")
}

func (p printer) writeList(b *strings.Builder, v reflect.Value, typed bool, depth int) {
	t := v.Type()
	if v.Kind() == reflect.Slice && v.IsNil() {
		if typed {
			fmt.Fprintf(b, "%s(nil)", p.typeName(t))
		} else {
			b.WriteString("nil")
		}
		return
	}
	b.WriteString(p.typeName(t))
	b.WriteString("{")
	p.writeElements(b, v, depth)
	if p.spare && v.Kind() == reflect.Slice && v.Cap() > v.Len() {
		b.WriteString(" | ")
		p.writeElements(b, v.Slice(0, v.Cap()).Slice(v.Len(), v.Cap()), depth)
	}
	b.WriteString("}")
}

func (p printer) writeElements(b *strings.Builder, v reflect.Value, depth int) {
	for i := range v.Len() {
		if i > 0 {
			b.WriteString(", ")
		}
		p.write(b, v.Index(i), false, depth+1)
	}
}

func (p printer) writeMap(b *strings.Builder, v reflect.Value, typed bool, depth int) {
	if v.IsNil() {
		if typed {
			fmt.Fprintf(b, "%s(nil)", p.typeName(v.Type()))
		} else {
			b.WriteString("nil")
		}
		return
	}
	entries := make([]string, 0, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		var entry strings.Builder
		p.write(&entry, iter.Key(), false, depth+1)
		entry.WriteString(": ")
		p.write(&entry, iter.Value(), false, depth+1)
		entries = append(entries, entry.String())
	}
	slices.Sort(entries)
	fmt.Fprintf(b, "%s{%s}", p.typeName(v.Type()), strings.Join(entries, ", "))
}

func (p printer) writeScalar(b *strings.Builder, v reflect.Value, typed bool) {
	var text string
	natural := false // whether the constant has this type by itself
	t := v.Type()
	switch v.Kind() {
	case reflect.Bool:
		text, natural = strconv.FormatBool(v.Bool()), t == reflect.TypeFor[bool]()
	case reflect.String:
		text, natural = strconv.Quote(v.String()), t == reflect.TypeFor[string]()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		text, natural = strconv.FormatInt(v.Int(), 10), t == reflect.TypeFor[int]()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		text = strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		text = strconv.FormatFloat(v.Float(), 'g', -1, t.Bits())
	case reflect.Complex64, reflect.Complex128:
		text = strconv.FormatComplex(v.Complex(), 'g', -1, t.Bits())
	default: // a function, a channel: only whether there is one
		text, natural = "nil", true
		if !v.IsNil() {
			text = t.String()
		}
	}
	if typed && !natural {
		text = p.typeName(t) + "(" + text + ")"
	}
	b.WriteString(text)
}

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
	default:
		return t.String()
	}
}

// writable reports whether a value can be written as an expression by those who
// own some types: a struct of others keeps its unexported fields to itself.
func writable(v reflect.Value, own func(reflect.Type) bool, depth int) bool {
	if depth > deepest {
		return false
	}
	if v.Type() == timeType {
		return true
	}
	switch v.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return v.IsNil()
	case reflect.Interface, reflect.Pointer:
		return v.IsNil() || writable(v.Elem(), own, depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !writable(v.Index(i), own, depth+1) {
				return false
			}
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			if !writable(iter.Key(), own, depth+1) || !writable(iter.Value(), own, depth+1) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() && !own(v.Type()) && !v.Field(i).IsZero() {
				return false
			}
			if !writable(v.Field(i), own, depth+1) {
				return false
			}
		}
	}
	return true
}
