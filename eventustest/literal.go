package eventustest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// printer writes values as Go expressions.
type printer struct {
	// name returns how a declared type is written; nil writes the type as
	// fmt does.
	name func(reflect.Type) string
	// qualified returns how a name of a package is written; nil writes it behind
	// the package's name.
	qualified func(pkg, pkgName, name string) string
	// spare writes what a slice holds behind its length as well.
	spare bool
	// met are the references that were written, or are being written.
	met *met
}

// met keeps a walk from going round in circles. A fingerprint numbers what it
// meets; a literal, which has to repeat it, tells only what it is in the middle
// of, and ends when it has become too long for a reader.
type met struct {
	number map[reference]int
	within map[reference]bool
}

// reference is what a pointer, a map or a slice refers to.
type reference struct {
	at     unsafe.Pointer
	length int
	t      reflect.Type
}

// longest is the length of a literal after which references are left out.
const longest = 1 << 16

// refer returns what to write instead of what v refers to, and else what to do
// after that was written.
func (p printer) refer(b *strings.Builder, v reflect.Value) (instead string, done func()) {
	done = func() {}
	if p.met == nil || v.IsNil() {
		return "", done
	}
	r := reference{v.UnsafePointer(), 0, v.Type()}
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Size() == 0 {
			return "", done // these may all be one
		}
	case reflect.Slice:
		if r.length = v.Len(); r.length == 0 || v.Type().Elem().Size() == 0 || v.Type().Elem().Kind() <= reflect.Complex128 || v.Type().Elem().Kind() == reflect.String {
			return "", done
		}
	}
	if p.spare {
		if n, ok := p.met.number[r]; ok {
			return fmt.Sprintf("&#%d", n), done
		}
		p.met.number[r] = len(p.met.number) + 1
		return "", done
	}
	if p.met.within[r] {
		return "nil /* a cycle */", done
	}
	if b.Len() > longest {
		return "nil /* and so on */", done
	}
	p.met.within[r] = true
	return "", func() { delete(p.met.within, r) }
}

func newMet() *met { return &met{make(map[reference]int), make(map[reference]bool)} }

// literal returns v as a Go expression of its own type.
func (p printer) literal(v any) string {
	if v == nil {
		return "nil"
	}
	var b strings.Builder
	p.met = newMet()
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
	printer{spare: true, met: newMet()}.write(&b, v, true, 0)
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
	case t == locationType && !v.IsNil():
		p.writeLocation(b, v)
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

var locationType = reflect.TypeFor[*time.Location]()

// writeLocation writes a zone by its name: the table of its changes is long, and
// is filled when it is first used.
func (p printer) writeLocation(b *strings.Builder, v reflect.Value) {
	pkg := strings.TrimSuffix(p.typeName(timeType), "Time")
	switch v.UnsafePointer() {
	case reflect.ValueOf(time.UTC).UnsafePointer():
		b.WriteString(pkg + "UTC")
	case reflect.ValueOf(time.Local).UnsafePointer():
		b.WriteString(pkg + "Local")
	default:
		fmt.Fprintf(b, "%sLocation(%q)", pkg, (*time.Location)(v.UnsafePointer()).String())
	}
}

func (p printer) writePointer(b *strings.Builder, v reflect.Value, typed bool, depth int) {
	switch {
	case v.IsNil() && typed:
		fmt.Fprintf(b, "(%s)(nil)", p.typeName(v.Type()))
		return
	case v.IsNil():
		b.WriteString("nil")
		return
	}
	instead, done := p.refer(b, v)
	defer done()
	switch {
	case instead != "":
		b.WriteString(instead)
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
	if v.Kind() == reflect.Slice {
		instead, done := p.refer(b, v)
		defer done()
		if instead != "" {
			b.WriteString(instead)
			return
		}
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
	instead, done := p.refer(b, v)
	defer done()
	if instead != "" {
		b.WriteString(instead)
		return
	}
	// Keys come first, each by itself: the order of a map must not number what
	// its values refer to.
	type entry struct {
		key   string
		value reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		var key strings.Builder
		alone := p
		alone.met = newMet()
		alone.write(&key, iter.Key(), false, depth+1)
		entries = append(entries, entry{key.String(), iter.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	b.WriteString(p.typeName(v.Type()) + "{")
	for i, e := range entries {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.key + ": ")
		p.write(b, e.value, false, depth+1)
	}
	b.WriteString("}")
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
		text, natural = p.float(v.Float(), t.Bits())
		typed = typed || natural // what a function returns is no constant
		natural = natural && t == reflect.TypeFor[float64]()
	case reflect.Complex64, reflect.Complex128:
		re, called := p.float(real(v.Complex()), t.Bits()/2)
		im, alsoCalled := p.float(imag(v.Complex()), t.Bits()/2)
		text = "complex(" + re + ", " + im + ")"
		typed = typed || called || alsoCalled
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

// float writes a number, and reports whether a function makes it, for want of a
// constant.
func (p printer) float(f float64, bits int) (text string, called bool) {
	name := ""
	switch {
	case math.IsNaN(f):
		name = "NaN()"
	case math.IsInf(f, 1):
		name = "Inf(1)"
	case math.IsInf(f, -1):
		name = "Inf(-1)"
	case f == 0 && math.Signbit(f):
		name = "Copysign(0, -1)"
	default:
		return strconv.FormatFloat(f, 'g', -1, bits), false
	}
	if p.qualified == nil {
		return "math." + name, true
	}
	return p.qualified("math", "math", name), true
}
