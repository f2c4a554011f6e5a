package vet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// ofEventus reports whether an object belongs to package eventus. The path of a
// package that is built for its own test has a suffix after a space.
func ofEventus(object types.Object) bool {
	if object.Pkg() == nil {
		return false
	}
	path, _, _ := strings.Cut(object.Pkg().Path(), " ")
	return path == "github.com/eventus-go/eventus"
}

// calledOfEventus returns the name of the generic function of Eventus that is
// called, and its type arguments, the inferred ones included.
func calledOfEventus(info *types.Info, call *ast.CallExpr) (name string, args *types.TypeList) {
	function := typeutil.StaticCallee(info, call)
	if function == nil || !ofEventus(function) || function.Signature().TypeParams() == nil {
		return "", nil
	}
	return function.Name(), info.Instances[nameIn(call.Fun)].TypeArgs
}

// nameIn returns the identifier of a function in the expression that is called.
func nameIn(function ast.Expr) *ast.Ident {
	switch f := ast.Unparen(function).(type) {
	case *ast.IndexExpr:
		return nameIn(f.X)
	case *ast.IndexListExpr:
		return nameIn(f.X)
	case *ast.SelectorExpr:
		return f.Sel
	case *ast.Ident:
		return f
	}
	return nil
}

// line is a line of a definition's table: Type[T, S] or Upcast[Old, T, S].
type line struct {
	call  *ast.CallExpr
	form  types.Type // what the codec reads: T, or Old of an upcast
	state types.Type
}

// lineOf returns the line that a call makes.
func lineOf(info *types.Info, call *ast.CallExpr) (line, bool) {
	switch name, args := calledOfEventus(info, call); name {
	case "Type":
		return line{call: call, form: args.At(0), state: args.At(1)}, true
	case "Upcast":
		return line{call: call, form: args.At(0), state: args.At(2)}, true
	}
	return line{}, false
}

// linesOf returns all lines that the package makes, in the order of the source.
func linesOf(pass *analysis.Pass) []line {
	var lines []line
	for call := range inspector.All[*ast.CallExpr](pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)) {
		if l, ok := lineOf(pass.TypesInfo, call); ok {
			lines = append(lines, l)
		}
	}
	return lines
}

// statesOf returns the types that the package uses as states of aggregates: S in
// Event[S], Aggregate[S, E], Define[S, E, A] and Type[T, S].
func statesOf(info *types.Info) *typeutil.Map {
	states := new(typeutil.Map)
	for name, instance := range info.Instances {
		generic := info.Uses[name]
		if generic == nil || !ofEventus(generic) {
			continue
		}
		switch generic.Name() {
		case "Event", "Aggregate", "Define":
			states.Set(instance.TypeArgs.At(0), true)
		case "Type":
			states.Set(instance.TypeArgs.At(1), true)
		}
	}
	return states
}

// aggregateOf returns the Aggregate[S, E] whose method Record a function is, and
// nil for any other function.
func aggregateOf(function types.Object) *types.Named {
	method, ok := function.(*types.Func)
	if !ok || method.Name() != "Record" || !ofEventus(method) || method.Signature().Recv() == nil {
		return nil
	}
	aggregate, _ := pointee(method.Signature().Recv().Type()).(*types.Named)
	return aggregate
}

// stateOf returns S of a type that satisfies Event[S], and nil where Apply has
// another form.
func stateOf(event types.Type) types.Type {
	found, _, _ := types.LookupFieldOrMethod(event, true, nil, "Apply")
	apply, ok := found.(*types.Func)
	if !ok || apply.Signature().Params().Len() != 1 || apply.Signature().Results().Len() != 0 {
		return nil
	}
	state, ok := types.Unalias(apply.Signature().Params().At(0).Type()).(*types.Pointer)
	if !ok {
		return nil
	}
	return state.Elem()
}

// pointee returns what t points to, or t where it is no pointer, without aliases.
func pointee(t types.Type) types.Type {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		t = pointer.Elem()
	}
	return types.Unalias(t)
}

// nameOf returns how the package's own source names a type.
func nameOf(pass *analysis.Pass, t types.Type) string {
	return types.TypeString(t, func(other *types.Package) string {
		if other == pass.Pkg {
			return ""
		}
		return other.Name()
	})
}
