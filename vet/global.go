package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// isGlobal reports whether a variable is one of a package.
func isGlobal(v *types.Var) bool { return v.Pkg() != nil && v.Parent() == v.Pkg().Scope() }

// mayChange reports whether a package-level variable can have another value at
// the next load. One that is unexported and that nothing in its package writes
// to is as good as a constant, and so is an error. What other modules export is
// theirs to keep: time.UTC, uuid.Nil.
func mayChange(pass *analysis.Pass, v *types.Var, written map[*types.Var]bool) bool {
	isError := types.Implements(v.Type(), types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
	switch {
	case v.Pkg() == pass.Pkg:
		return written[v] || v.Exported() && !isError
	case isError || moduleOf(pass) == "":
		return false
	}
	return strings.HasPrefix(v.Pkg().Path()+"/", moduleOf(pass)+"/")
}

// writtenGlobals returns the package-level variables that the package assigns to
// after their declaration, whole or in part, whose address it takes, or whose
// pointer methods it calls.
func writtenGlobals(pass *analysis.Pass) map[*types.Var]bool {
	written := make(map[*types.Var]bool)
	write := func(target ast.Expr) {
		if v := rootOf(pass.TypesInfo, target); v != nil && isGlobal(v) {
			written[v] = true
		}
	}
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	for node := range in.PreorderSeq((*ast.AssignStmt)(nil), (*ast.IncDecStmt)(nil), (*ast.RangeStmt)(nil), (*ast.UnaryExpr)(nil), (*ast.CallExpr)(nil)) {
		switch n := node.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				write(left)
			}
		case *ast.IncDecStmt:
			write(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				write(n.Key)
				write(n.Value)
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				write(n.X)
			}
		case *ast.CallExpr:
			if target := writtenBy(pass.TypesInfo, n); target != nil {
				write(target)
			}
			if x := addressed(pass.TypesInfo, n); x != nil {
				write(x)
			}
		}
	}
	return written
}

// addressed returns x of a call x.m() that takes the address of x, because m is
// a method of the pointer, and nil for other calls.
func addressed(info *types.Info, call *ast.CallExpr) ast.Expr {
	selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || info.Selections[selector] == nil || info.Selections[selector].Kind() != types.MethodVal {
		return nil
	}
	_, byPointer := types.Unalias(info.Selections[selector].Obj().(*types.Func).Signature().Recv().Type()).(*types.Pointer)
	_, isPointer := types.Unalias(info.TypeOf(selector.X)).(*types.Pointer)
	if !byPointer || isPointer {
		return nil
	}
	return selector.X
}

// rootOf returns the variable that an expression such as v.f[i] begins with, and
// nil when it begins with something else.
func rootOf(info *types.Info, expression ast.Expr) *types.Var {
	switch e := expression.(type) {
	case *ast.Ident:
		v, _ := info.ObjectOf(e).(*types.Var)
		return v
	case *ast.SelectorExpr:
		if info.Selections[e] == nil { // a name of another package
			return rootOf(info, e.Sel)
		}
		return rootOf(info, e.X)
	case *ast.IndexExpr:
		return rootOf(info, e.X)
	case *ast.SliceExpr:
		return rootOf(info, e.X)
	case *ast.StarExpr:
		return rootOf(info, e.X)
	case *ast.ParenExpr:
		return rootOf(info, e.X)
	}
	return nil
}
