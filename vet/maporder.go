package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"

	"golang.org/x/tools/go/types/typeutil"
)

// mapOrder returns the places where a function lets the order of a map, which is
// another at every run, into what it leaves behind: for an Apply, all that it
// writes to outside of the loop; for a function that it calls, what it writes to
// through its parameters. What such a function returns is its caller's concern.
func mapOrder(info *types.Info, function *ast.FuncDecl, isApply bool) []finding {
	var found []finding
	ast.PreorderStack(function.Body, nil, func(n ast.Node, stack []ast.Node) bool {
		switch n := n.(type) {
		case *ast.RangeStmt:
			if overMap(info, n.X) {
				r := &mapRange{info: info, function: function, isApply: isApply, loop: n}
				found = append(found, r.findings()...)
			}
		case *ast.CallExpr:
			if target := collected(info, n, stack); target != nil && isApply && !sortedAfter(info, function, n.End(), types.ExprString(target)) {
				found = append(found, finding{n.Pos(), "collects a map, whose order is random, into " + types.ExprString(target) + "; collect it by slices.Sorted"})
			}
		}
		return true
	})
	return found
}

// overMap reports whether x is a map, or an iterator over one.
func overMap(info *types.Info, x ast.Expr) bool {
	if _, ok := info.TypeOf(x).Underlying().(*types.Map); ok {
		return true
	}
	call, ok := ast.Unparen(x).(*ast.CallExpr)
	return ok && isCall(info, call, mapIterator)
}

var (
	mapIterator   = regexp.MustCompile(`^maps\.(All|Keys|Values)$`)
	collector     = regexp.MustCompile(`^slices\.(Collect|AppendSeq)$`)
	sorter        = regexp.MustCompile(`^(slices\.Sort\w*|sort\.\w+)$`)
	builderWrites = regexp.MustCompile(`^(strings\.Builder|bytes\.Buffer)\.Write\w*$`)
	printer       = regexp.MustCompile(`^fmt\.Fprint\w*$`)
)

// isCall reports whether a call is one of a function of that name, written as
// path.Name or path.Type.Name.
func isCall(info *types.Info, call *ast.CallExpr, name *regexp.Regexp) bool {
	function := typeutil.StaticCallee(info, call)
	return function != nil && name.MatchString(pathOf(function))
}

// collected returns the variable that takes the elements of a map, where a call
// collects them, and nil for another call.
func collected(info *types.Info, call *ast.CallExpr, stack []ast.Node) ast.Expr {
	if !isCall(info, call, collector) || !overMap(info, call.Args[len(call.Args)-1]) {
		return nil
	}
	if assign, ok := stack[len(stack)-1].(*ast.AssignStmt); ok && len(assign.Lhs) == 1 {
		return assign.Lhs[0]
	}
	return nil
}

// sortedAfter reports whether a function sorts what the target denotes after
// pos.
func sortedAfter(info *types.Info, function *ast.FuncDecl, pos token.Pos, target string) bool {
	sorted := false
	ast.Inspect(function.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && call.Pos() >= pos && isCall(info, call, sorter) {
			for _, arg := range call.Args {
				sorted = sorted || mentions(arg, func(e ast.Expr) bool { return types.ExprString(e) == target })
			}
		}
		return true
	})
	return sorted
}

// mentions reports whether a part of an expression, or the whole, is such.
func mentions(expression ast.Expr, such func(ast.Expr) bool) bool {
	found := false
	ast.Inspect(expression, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && such(e) {
			found = true
		}
		return !found
	})
	return found
}
