package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// Unlisted finds events that no definition lists.
var Unlisted = &analysis.Analyzer{
	Name: "unlisted",
	Doc: `find events that are not in the definition of their aggregate

An aggregate refuses to record an event whose type its eventus.Define does not
list, and one that was stored cannot be loaded. It finds, in a package that
defines an aggregate:

  - a type declared with a method Apply on the aggregate's state that has no
    eventus.Type; also one whose Apply has a pointer as its receiver, which
    cannot have one;
  - a Record of a value of such a type from elsewhere, and of a pointer.

A type is listed when any definition of the aggregate lists it, be it as the old
form of an Upcast. Definitions and
lines in tests count for the tests' own types only, where there are others.

It is silent where a line of the definition is neither a call of Type or Upcast
nor a variable set to one, where the definition is in another package than the
events, about types with type parameters, about types that only embed an event
and are not recorded here, and about a Record of an interface value.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runUnlisted,
}

// definition is a call of Define.
type definition struct {
	category string // empty when it is not constant
	event    types.Type
	owner    types.Type // A of Define
	whole    bool       // all of its lines are in sight
	test     bool
}

func (d definition) has(event types.Type) bool {
	e, ok := d.event.Underlying().(*types.Interface)
	return ok && (types.Implements(event, e) || types.Implements(types.NewPointer(event), e))
}

// definitions are all definitions of a package, with the types that have lines.
type definitions struct {
	pass   *analysis.Pass
	all    []definition
	listed *typeutil.Map // to true, or to false where only a test lists the type
}

func runUnlisted(pass *analysis.Pass) (any, error) {
	d := definitionsOf(pass)
	if len(d.all) == 0 {
		return nil, nil
	}
	declared := make(map[types.Object]bool)
	for _, name := range pass.Pkg.Scope().Names() {
		object, ok := pass.Pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || !appliesItself(object) {
			continue
		}
		declared[object] = true
		missing := d.missing(object.Type(), object.Pos())
		if missing == nil {
			continue
		}
		cure := "add"
		if !types.Implements(object.Type(), missing.event.Underlying().(*types.Interface)) {
			cure = "give Apply a value receiver, and add"
		}
		report(pass, object.Pos(), "%s is an event of %s and not in its definition: %s eventus.Type[%s](%q)",
			name, nameOf(pass, pointee(missing.owner)), cure, name, missing.category+"...")
	}
	for call := range inspector.All[*ast.CallExpr](pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)) {
		d.checkRecord(call, declared)
	}
	return nil, nil
}

// appliesItself reports whether a concrete type has a method Apply of its own,
// not that of a field. An embedded event makes no event.
func appliesItself(object *types.TypeName) bool {
	named, ok := object.Type().(*types.Named)
	if !ok || named.TypeParams().Len() > 0 || types.IsInterface(named) {
		return false
	}
	for method := range named.Methods() {
		if method.Name() == "Apply" {
			return true
		}
	}
	return false
}

func definitionsOf(pass *analysis.Pass) *definitions {
	d := &definitions{pass: pass, listed: new(typeutil.Map)}
	for _, l := range linesOf(pass) {
		production, _ := d.listed.At(l.form).(bool)
		d.listed.Set(l.form, production || !inTest(pass, l.call.Pos()))
	}
	set := initialValues(pass)
	for call := range inspector.All[*ast.CallExpr](pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)) {
		name, args := calledOfEventus(pass.TypesInfo, call)
		if name != "Define" {
			continue
		}
		found := definition{event: args.At(1), owner: args.At(2), test: inTest(pass, call.Pos()), whole: true}
		for i, arg := range call.Args {
			if value := pass.TypesInfo.Types[arg].Value; i == 0 && value != nil {
				found.category = constant.StringVal(value)
			}
			if i >= 2 && !isLine(pass.TypesInfo, arg, set) {
				found.whole = false
			}
		}
		d.all = append(d.all, found)
	}
	return d
}

// isLine reports whether a value is a call of Type or Upcast, or a variable that
// is set to one. Which one does not matter: all lines of the package are known.
func isLine(info *types.Info, value ast.Expr, set map[types.Object]ast.Expr) bool {
	switch v := ast.Unparen(value).(type) {
	case *ast.CallExpr:
		_, ok := lineOf(info, v)
		return ok
	case *ast.Ident:
		call, ok := set[info.Uses[v]].(*ast.CallExpr)
		return ok && isLine(info, call, set)
	}
	return false
}

// initialValues returns the variables of the package, local ones too, that are
// declared with a value of their own.
func initialValues(pass *analysis.Pass) map[types.Object]ast.Expr {
	set := make(map[types.Object]ast.Expr)
	for node := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).PreorderSeq((*ast.AssignStmt)(nil), (*ast.ValueSpec)(nil)) {
		switch n := node.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if name, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE && len(n.Lhs) == len(n.Rhs) {
					set[pass.TypesInfo.Defs[name]] = n.Rhs[i]
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if len(n.Names) == len(n.Values) {
					set[pass.TypesInfo.Defs[name]] = n.Values[i]
				}
			}
		}
	}
	return set
}

// missing returns a definition that the event, seen at pos, should be listed in,
// and nil when it is listed, is no event of any, or may be listed out of sight.
func (d *definitions) missing(event types.Type, pos token.Pos) *definition {
	production, listed := d.listed.At(event).(bool)
	owners := slices.DeleteFunc(slices.Clone(d.all), func(o definition) bool { return !o.has(event) })
	if real := slices.DeleteFunc(slices.Clone(owners), func(o definition) bool { return o.test }); len(real) > 0 && !inTest(d.pass, pos) {
		owners, listed = real, production
	}
	if listed || len(owners) == 0 || slices.ContainsFunc(owners, func(o definition) bool { return !o.whole }) {
		return nil
	}
	return &owners[0]
}

// checkRecord tells of a recorded value that has no line, unless the
// declaration of its type was judged already.
func (d *definitions) checkRecord(call *ast.CallExpr, declared map[types.Object]bool) {
	selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || aggregateOf(d.pass.TypesInfo.Uses[selector.Sel]) == nil || len(call.Args) != 1 {
		return
	}
	recorded := d.pass.TypesInfo.TypeOf(call.Args[0])
	event, ok := pointee(recorded).(*types.Named)
	if !ok || types.IsInterface(event) {
		return
	}
	_, isPointer := types.Unalias(recorded).(*types.Pointer)
	missing := d.missing(event, call.Pos())
	switch {
	case missing != nil && !declared[event.Obj()]:
		report(d.pass, call.Args[0].Pos(), "%s is recorded on %s and not in its definition: add eventus.Type[%[1]s](%[3]q)",
			nameOf(d.pass, event), nameOf(d.pass, pointee(missing.owner)), missing.category+"...")
	case missing == nil && isPointer && d.listed.At(event) != nil:
		report(d.pass, call.Args[0].Pos(), "a pointer to %s is recorded: its definition lists the value; record that", nameOf(d.pass, event))
	}
}
