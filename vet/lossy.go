package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// Lossy finds fields of events that do not survive the store.
var Lossy = &analysis.Analyzer{
	Name: "lossy",
	Doc: `find fields of events that the default codec drops or cannot read

What an event holds is stored as JSON, and read again at every load. It finds, in
the types given to eventus.Type and in the old forms given to eventus.Upcast, and
in all that their fields are made of:

  - unexported fields, and those with the tag json:"-": they are dropped;
  - fields of an interface type: nothing says which type to read;
  - channels, functions and complex numbers: they have no JSON;
  - an embedded pointer to an unexported struct, without a name in its tag: it
    cannot be read;
  - fields beside an embedded type whose own encoding is promoted, as that of
    time.Time: it stands for the whole struct.

The finding is at the field, or where the field is another package's, at the
field or the line of the definition that leads to it.

It is silent about types that encode themselves (MarshalJSONTo, MarshalJSON,
AppendText, MarshalText) and about all events of an aggregate whose definition
gets another codec by WithCodec in the package; one in a test counts for tests. A
value that comes back changed, as a time without its monotonic clock, is for
package eventustest to find.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runLossy,
}

func runLossy(pass *analysis.Pass) (any, error) {
	coded := codedOf(pass)
	reported := make(map[token.Pos]bool)
	for _, l := range linesOf(pass) {
		// A codec that is set in the production code is there in tests as well.
		test, ok := coded.At(l.state).(bool)
		if ok && (!test || inTest(pass, l.call.Pos())) {
			continue
		}
		w := walk{pass: pass, within: new(typeutil.Map), reported: reported}
		w.value(l.form, nameOf(pass, l.form), l.call.Pos())
	}
	return nil, nil
}

// codedOf returns the states of the aggregates whose definitions get another
// codec, to true where only a test gives one.
func codedOf(pass *analysis.Pass) *typeutil.Map {
	coded := new(typeutil.Map)
	for selector := range inspector.All[*ast.SelectorExpr](pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)) {
		method, ok := pass.TypesInfo.Uses[selector.Sel].(*types.Func)
		if !ok || method.Name() != "WithCodec" || !ofEventus(method) {
			continue
		}
		// E is the last of Definition[A, E] and EventTable[E].
		args := pointee(method.Signature().Recv().Type()).(*types.Named).TypeArgs()
		if state := stateOf(args.At(args.Len() - 1)); state != nil {
			test, ok := coded.At(state).(bool)
			coded.Set(state, (!ok || test) && inTest(pass, selector.Pos()))
		}
	}
	return coded
}

// walk goes through what one event is made of.
type walk struct {
	pass     *analysis.Pass
	within   *typeutil.Map // the types on the path: one that has itself is not walked again
	reported map[token.Pos]bool
}

// tell reports what is wrong at pos, once for all events that share the field.
func (w walk) tell(pos token.Pos, path, wrong string) {
	if !w.reported[pos] {
		w.reported[pos] = true
		report(w.pass, pos, "%s %s", path, wrong)
	}
}

// value checks a type. The path leads to it from the event, and pos is the last
// place on the path that is in this package.
func (w walk) value(t types.Type, path string, pos token.Pos) {
	t = types.Unalias(t)
	if w.within.At(t) != nil {
		return
	}
	w.within.Set(t, true)
	defer w.within.Delete(t)
	if encoded, from := encodesItself(t); encoded {
		if s, ok := t.Underlying().(*types.Struct); ok && from != "" && s.NumFields() > 1 {
			w.tell(pos, path, "is stored as its embedded "+from+" alone: the codec drops the other fields; give "+from+" a name")
		}
		return
	}
	switch u := t.Underlying().(type) {
	case *types.Struct:
		for i := range u.NumFields() {
			w.field(u.Field(i), reflect.StructTag(u.Tag(i)).Get("json"), path, pos)
		}
	case *types.Pointer:
		w.value(u.Elem(), path, pos)
	case *types.Slice:
		w.value(u.Elem(), path, pos)
	case *types.Array:
		w.value(u.Elem(), path, pos)
	case *types.Map:
		w.value(u.Key(), path, pos)
		w.value(u.Elem(), path, pos)
	case *types.Interface:
		w.tell(pos, path, "is an interface: the codec cannot tell which type to read; use a concrete type")
	case *types.Chan, *types.Signature:
		w.tell(pos, path, "has no JSON: the event cannot be stored")
	case *types.Basic:
		if u.Info()&types.IsComplex != 0 {
			w.tell(pos, path, "has no JSON: the event cannot be stored")
		}
	}
}

func (w walk) field(f *types.Var, tag, path string, pos token.Pos) {
	path += "." + f.Name()
	if f.Pkg() == w.pass.Pkg {
		pos = f.Pos()
	}
	name, _, _ := strings.Cut(tag, ",")
	_, isStruct := pointee(f.Type()).Underlying().(*types.Struct)
	_, isPointer := types.Unalias(f.Type()).(*types.Pointer)
	embedded := f.Embedded() && isStruct
	switch {
	case f.Name() == "_":
	case tag == "-":
		w.tell(pos, path, `has the tag json:"-": the codec drops it`)
	case f.Exported(), embedded && (name != "" || !isPointer):
		w.value(f.Type(), path, pos)
	case embedded:
		w.tell(pos, path, "is an embedded pointer to an unexported struct: the codec cannot read it; embed the value")
	default:
		w.tell(pos, path, "is unexported: the codec drops it; export it, or give its struct MarshalJSON and UnmarshalJSON")
	}
}

// encodesItself reports whether values of a type have an encoding of their own,
// and if it is that of an embedded field, the field's name. The codec calls
// methods of the pointer, too.
func encodesItself(t types.Type) (encoded bool, from string) {
	for _, name := range []string{"MarshalJSONTo", "MarshalJSON", "AppendText", "MarshalText"} {
		found, index, _ := types.LookupFieldOrMethod(t, true, nil, name)
		if _, ok := found.(*types.Func); !ok || types.IsInterface(t) {
			continue
		}
		if s, ok := t.Underlying().(*types.Struct); ok && len(index) > 1 {
			return true, s.Field(index[0]).Name()
		}
		return true, ""
	}
	return false, ""
}
