package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"

	"golang.org/x/tools/go/types/typeutil"
)

// inPlace names the functions that write to their first argument.
var inPlace = regexp.MustCompile(`^(slices\.(Sort\w*|Reverse|Delete\w*|Insert|Compact\w*|Replace)|sort\.(Sort|Stable|Slice\w*|Ints|Strings|Float64s)|maps\.(Copy|Insert|DeleteFunc))$`)

// writtenBy returns the argument that a call of a builtin or of a function of
// the standard library writes to, and nil where there is none.
func writtenBy(info *types.Info, call *ast.CallExpr) ast.Expr {
	if len(call.Args) == 0 {
		return nil
	}
	switch callee := typeutil.Callee(info, call).(type) {
	case *types.Builtin:
		if name := callee.Name(); name == "clear" || name == "copy" || name == "delete" {
			return call.Args[0]
		}
	case *types.Func:
		if callee.Pkg() != nil && inPlace.MatchString(callee.Pkg().Path()+"."+callee.Name()) {
			return call.Args[0]
		}
	}
	return nil
}

// appendedTo returns the first argument of a call of append, and nil for another
// call. Append writes to its array where that has room, which a slice s[i:j:k]
// may deny.
func appendedTo(info *types.Info, call *ast.CallExpr) ast.Expr {
	builtin, ok := typeutil.Callee(info, call).(*types.Builtin)
	if !ok || builtin.Name() != "append" {
		return nil
	}
	if slice, ok := call.Args[0].(*ast.SliceExpr); ok && slice.Slice3 {
		return nil
	}
	return call.Args[0]
}

// eventWrites returns the places where Apply writes to its event in a way that
// is seen from outside: not to the copy that a value receiver is, but through a
// slice, a map or a pointer.
func eventWrites(info *types.Info, apply *ast.FuncDecl) []finding {
	if len(apply.Recv.List[0].Names) == 0 {
		return nil
	}
	event := info.Defs[apply.Recv.List[0].Names[0]]
	var found []finding
	check := func(target ast.Expr, isShared bool) {
		if target != nil && event != nil && rootOf(info, target) == event && isShared {
			found = append(found, finding{target.Pos(), "writes to its own event (" + types.ExprString(target) + "), which is recorded and stored; clone it first"})
		}
	}
	ast.Inspect(apply.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				check(left, n.Tok != token.DEFINE && shared(info, left))
			}
		case *ast.IncDecStmt:
			check(n.X, shared(info, n.X))
		case *ast.CallExpr:
			check(writtenBy(info, n), true)
			check(appendedTo(info, n), true)
		}
		return true
	})
	return found
}

// shared reports whether the place that an expression denotes is outside of the
// variable that it begins with.
func shared(info *types.Info, place ast.Expr) bool {
	switch p := ast.Unparen(place).(type) {
	case *ast.StarExpr:
		return true
	case *ast.SelectorExpr:
		return info.Selections[p] != nil && info.Selections[p].Indirect() || shared(info, p.X)
	case *ast.IndexExpr:
		_, isArray := info.TypeOf(p.X).Underlying().(*types.Array)
		return !isArray || shared(info, p.X)
	}
	return false
}
