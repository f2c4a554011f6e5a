package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/types/typeutil"
)

// mapRange is one loop over a map.
type mapRange struct {
	info     *types.Info
	function *ast.FuncDecl
	isApply  bool
	loop     *ast.RangeStmt
	counters map[string]bool // what the loop counts or sums up
	writes   bool            // the loop leaves something behind that the element decides
	found    []finding
}

func (r *mapRange) findings() []finding {
	r.counters = make(map[string]bool)
	ast.Inspect(r.loop.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IncDecStmt:
			r.counters[types.ExprString(n.X)] = true
			r.writes = r.writes || r.leaves(n.X) && r.isSlot(n.X)
		case *ast.AssignStmt:
			if n.Tok != token.ASSIGN && n.Tok != token.DEFINE {
				r.counters[types.ExprString(n.Lhs[0])] = true
			}
		}
		return true
	})
	ast.PreorderStack(r.loop.Body, nil, func(n ast.Node, stack []ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if n.Tok != token.DEFINE && r.leaves(left) {
					r.assign(n, left, n.Rhs[min(i, len(n.Rhs)-1)], stack)
				}
			}
		case *ast.CallExpr:
			r.call(n)
		case *ast.SendStmt:
			r.tell(n.Pos(), types.ExprString(n.Chan))
		}
		return true
	})
	if r.writes {
		r.exits()
	}
	return r.found
}

// tell adds a finding, unless the target is sorted after the loop.
func (r *mapRange) tell(pos token.Pos, target string) {
	if !sortedAfter(r.info, r.function, r.loop.End(), target) {
		r.found = append(r.found, finding{pos, "lets the order of a map, which is random, into " + target + "; range over slices.Sorted(maps.Keys(...))"})
	}
}

// leaves reports whether a place is there after the loop, and for a function
// that is not Apply, after the function.
func (r *mapRange) leaves(place ast.Expr) bool {
	root := rootOf(r.info, place)
	if root == nil || root.Name() == "_" || r.isOfElement(root) {
		return false
	}
	if r.isApply {
		return true
	}
	_, isName := place.(*ast.Ident)
	return !isName && root.Pos() < r.function.Body.Pos()
}

// isOfElement reports whether a variable is the loop's, anew for each element.
func (r *mapRange) isOfElement(v types.Object) bool {
	return v != nil && r.loop.Pos() <= v.Pos() && v.Pos() < r.loop.End()
}

// tellsElements reports whether an expression depends on the element.
func (r *mapRange) tellsElements(expression ast.Expr) bool {
	return mentions(expression, func(e ast.Expr) bool {
		name, ok := e.(*ast.Ident)
		return ok && r.isOfElement(r.info.ObjectOf(name))
	})
}

// isSlot reports whether a place has an index that depends on the element, as
// s.Names[k]: each element has its own.
func (r *mapRange) isSlot(place ast.Expr) bool {
	return mentions(place, func(e ast.Expr) bool {
		index, ok := e.(*ast.IndexExpr)
		return ok && r.tellsElements(index.Index)
	})
}

// assign judges left = right, or left += right.
func (r *mapRange) assign(statement *ast.AssignStmt, left, right ast.Expr, stack []ast.Node) {
	target := types.ExprString(left)
	hasTarget := func(e ast.Expr) bool { return types.ExprString(e) == target }
	operator := statement.Tok
	if binary, ok := ast.Unparen(right).(*ast.BinaryExpr); ok && operator == token.ASSIGN && (hasTarget(binary.X) || hasTarget(binary.Y)) {
		operator = assigned[binary.Op]
	}
	switch {
	case r.isSlot(left):
		r.writes = true
		if mentions(right, func(e ast.Expr) bool { return r.counters[types.ExprString(e)] }) {
			r.tell(left.Pos(), target)
		}
	case operator != token.ASSIGN:
		r.writes = true
		if !commutes(operator, r.info.TypeOf(left)) {
			r.tell(left.Pos(), target)
		}
	case !r.tellsElements(right) && !mentions(right, hasTarget):
		// The same at every round: the order does not matter.
	case r.isExtreme(right, hasTarget) || r.isChosen(stack, hasTarget):
		r.writes = true
	default:
		r.writes = true
		r.tell(left.Pos(), target)
	}
}

// assigned is the assignment that x = x op y stands for.
var assigned = map[token.Token]token.Token{
	token.ADD: token.ADD_ASSIGN, token.SUB: token.SUB_ASSIGN, token.MUL: token.MUL_ASSIGN,
	token.AND: token.AND_ASSIGN, token.LAND: token.AND_ASSIGN, token.OR: token.OR_ASSIGN, token.LOR: token.OR_ASSIGN,
	token.XOR: token.XOR_ASSIGN, token.AND_NOT: token.AND_NOT_ASSIGN, token.QUO: token.QUO_ASSIGN, token.REM: token.REM_ASSIGN,
}

// commutes reports whether the order of such assignments does not matter. It
// does for floats: their sums are rounded.
func commutes(operator token.Token, t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	switch operator {
	case token.ADD_ASSIGN, token.SUB_ASSIGN, token.MUL_ASSIGN:
		return ok && basic.Info()&types.IsInteger != 0
	case token.AND_ASSIGN, token.OR_ASSIGN, token.XOR_ASSIGN, token.AND_NOT_ASSIGN:
		return true
	}
	return false
}

// isExtreme reports whether a value is min or max of the target and others.
func (r *mapRange) isExtreme(value ast.Expr, hasTarget func(ast.Expr) bool) bool {
	call, ok := ast.Unparen(value).(*ast.CallExpr)
	if !ok {
		return false
	}
	builtin, ok := typeutil.Callee(r.info, call).(*types.Builtin)
	return ok && (builtin.Name() == "min" || builtin.Name() == "max") && mentions(call, hasTarget)
}

// isChosen reports whether a condition chooses the element: by equality, as a
// search does, or by comparison with the target, as min and max do.
func (r *mapRange) isChosen(stack []ast.Node, hasTarget func(ast.Expr) bool) bool {
	for _, n := range stack {
		branch, ok := n.(*ast.IfStmt)
		if ok && mentions(branch.Cond, func(e ast.Expr) bool {
			c, ok := e.(*ast.BinaryExpr)
			if !ok || !r.tellsElements(c) {
				return false
			}
			switch c.Op {
			case token.EQL:
				return true
			case token.LSS, token.GTR, token.LEQ, token.GEQ:
				return mentions(c, hasTarget)
			}
			return false
		}) {
			return true
		}
	}
	return false
}

// call judges calls that write: builders of strings in order, builtins not.
func (r *mapRange) call(call *ast.CallExpr) {
	if target := writtenBy(r.info, call); target != nil && r.leaves(target) {
		r.writes = true
	}
	var target ast.Expr
	switch {
	case isCall(r.info, call, builderWrites):
		target = ast.Unparen(call.Fun).(*ast.SelectorExpr).X
	case isCall(r.info, call, printer):
		target = call.Args[0]
		if address, ok := target.(*ast.UnaryExpr); ok {
			target = address.X
		}
	default:
		return
	}
	if r.leaves(target) {
		r.tell(call.Pos(), types.ExprString(target))
	}
}

// exits tells of a way out of the loop that the element does not decide: which
// elements came before is chance.
func (r *mapRange) exits() {
	ast.PreorderStack(r.loop.Body, nil, func(n ast.Node, stack []ast.Node) bool {
		decided := false
		for _, outer := range stack {
			switch o := outer.(type) {
			case *ast.IfStmt:
				decided = decided || r.tellsElements(o.Cond)
			case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
				decided = true // a break ends that, not the loop
			}
		}
		if branch, ok := n.(*ast.BranchStmt); ok && branch.Tok == token.BREAK && !decided {
			r.found = append(r.found, finding{n.Pos(), "leaves a loop over a map early, after elements that chance has chosen; range over slices.Sorted(maps.Keys(...))"})
		}
		return true
	})
}
