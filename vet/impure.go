package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/types/typeutil"
)

// Impure finds events whose Apply depends on more than state and event.
var Impure = &analysis.Analyzer{
	Name: "impure",
	Doc: `find events that may apply in another way at the next load

Apply runs again for every load, for ever, on every machine. The state must
depend on the events alone. It finds, in the method Apply of an event:

  - use of the clock, of the machine's time zone, of a random source, of
    generators of random ids, of package os, the network, a database;
  - use of a package-level variable that may change: one that is exported, or
    that its package writes to after the declaration. Errors count only when
    they are written to, and a variable that is not counts as what it is set to;
  - a range over a map where the order of elements, which is random, gets into
    something: append, concatenation, sums of floats, the last element wins, a
    counter, a builder of strings, a channel, a break that the element does not
    decide; and slices.Collect of a map;
  - writes to the event itself, through a pointer, a slice or a map in it.

It follows calls to functions of the package and, within the module, of others.

It is silent where what the loop over a map fills is sorted later in the
function, where each element has a slot of its own (s.M[k] = v), where integers
are added up, where a condition chooses the element by equality or the extreme
by comparison, and about the slices that a called function returns. It does not
follow calls through interfaces and variables, functions of other modules that
it does not know, and a reference into the event that is kept and written to
later. Apply is known as that of an event where its package uses the state's
type in Event, Aggregate, Define or Type.`,
	Requires:  []*analysis.Analyzer{inspect.Analyzer},
	FactTypes: []analysis.Fact{new(isImpure)},
	Run:       runImpure,
}

// isImpure is the fact that a function is impure, for the packages that import
// its own.
type isImpure struct{ Why string }

// AFact makes isImpure a fact.
func (*isImpure) AFact() {}

func (f *isImpure) String() string { return "impure: " + f.Why }

// finding is something impure. What continues a sentence, such as "Apply ..." or
// "a function that ...".
type finding struct {
	pos  token.Pos
	what string
}

// unit is a function of the package, or a variable with the value that it is
// declared with.
type unit struct {
	object types.Object
	found  []finding
	uses   []use
}

// use is a place where a unit names another of the package.
type use struct {
	pos    token.Pos
	object types.Object
}

func runImpure(pass *analysis.Pass) (any, error) {
	states := statesOf(pass.TypesInfo)
	written := writtenGlobals(pass)
	var units []unit
	var applies []unit
	for _, file := range pass.Files {
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Body == nil {
					continue
				}
				isApply := isApplyOf(pass.TypesInfo, d, states)
				u := unitOf(pass, pass.TypesInfo.Defs[d.Name], d.Body, written)
				u.add(pass, mapOrder(pass.TypesInfo, d, isApply))
				units = append(units, u)
				if isApply {
					u.add(pass, eventWrites(pass.TypesInfo, d))
					applies = append(applies, u)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					units = append(units, variables(pass, spec, written)...)
				}
			}
		}
	}
	why := reasons(units)
	for object, reason := range why {
		if function, ok := object.(*types.Func); ok && moduleOf(pass) != "" {
			pass.ExportObjectFact(function, &isImpure{reason})
		}
	}
	for _, apply := range applies {
		for _, f := range apply.found {
			report(pass, f.pos, "Apply %s", f.what)
		}
		for _, u := range apply.uses {
			if reason := why[u.object]; reason != "" {
				report(pass, u.pos, "Apply uses %s, which %s", shortNameOf(u.object), reason)
			}
		}
	}
	return nil, nil
}

// moduleOf returns the path of the module at work, and "" in a package of the
// standard library or of a module that is a dependency, which has a version:
// world says what is impure there.
func moduleOf(pass *analysis.Pass) string {
	if pass.Module == nil || pass.Module.Version != "" {
		return ""
	}
	return pass.Module.Path
}

// isApplyOf reports whether a function is the Apply of an event on one of the
// states.
func isApplyOf(info *types.Info, function *ast.FuncDecl, states *typeutil.Map) bool {
	if function.Recv == nil || function.Name.Name != "Apply" {
		return false
	}
	state := stateOf(info.Defs[function.Name].(*types.Func).Signature().Recv().Type())
	return state != nil && states.At(state) != nil
}

// variables returns the units of a declaration of variables.
func variables(pass *analysis.Pass, spec ast.Spec, written map[*types.Var]bool) []unit {
	values, ok := spec.(*ast.ValueSpec)
	if !ok || len(values.Values) == 0 {
		return nil
	}
	var units []unit
	for i, name := range values.Names {
		units = append(units, unitOf(pass, pass.TypesInfo.Defs[name], values.Values[min(i, len(values.Values)-1)], written))
	}
	return units
}

// unitOf returns the unit of an object with what is impure about the names in
// its body.
func unitOf(pass *analysis.Pass, object types.Object, body ast.Node, written map[*types.Var]bool) unit {
	u := unit{object: object}
	ast.Inspect(body, func(n ast.Node) bool {
		name, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		used := pass.TypesInfo.Uses[name]
		if function, ok := used.(*types.Func); ok {
			used = function.Origin()
		}
		if used == nil {
			return true
		}
		switch what := impurity(pass, used, written); {
		case what != "":
			u.add(pass, []finding{{name.Pos(), what}})
		case used.Pkg() == pass.Pkg && !ignored(pass, name.Pos()):
			u.uses = append(u.uses, use{name.Pos(), used})
		}
		return true
	})
	return u
}

// impurity returns what is impure about using an object, as far as that is known
// without looking at the package's own functions.
func impurity(pass *analysis.Pass, used types.Object, written map[*types.Var]bool) string {
	if what := worldly(used); what != "" {
		return what
	}
	switch used := used.(type) {
	case *types.Var:
		if isGlobal(used) && mayChange(pass, used, written) {
			return "uses the variable " + shortNameOf(used) + ", which may change; make it a constant, or unexported and not written to"
		}
	case *types.Func:
		var fact isImpure
		if used.Pkg() != nil && used.Pkg() != pass.Pkg && pass.ImportObjectFact(used, &fact) {
			return "uses " + shortNameOf(used) + ", which " + fact.Why
		}
	}
	return ""
}

// add adds the findings that are not meant.
func (u *unit) add(pass *analysis.Pass, found []finding) {
	for _, f := range found {
		if !ignored(pass, f.pos) {
			u.found = append(u.found, f)
		}
	}
}

// reasons returns why units are impure, by themselves or by what they use.
func reasons(units []unit) map[types.Object]string {
	why := make(map[types.Object]string)
	for _, u := range units {
		if len(u.found) > 0 {
			why[u.object] = u.found[0].what
		}
	}
	for changed := true; changed; {
		changed = false
		for _, u := range units {
			for _, used := range u.uses {
				if why[u.object] == "" && why[used.object] != "" {
					why[u.object] = why[used.object]
					changed = true
				}
			}
		}
	}
	return why
}
