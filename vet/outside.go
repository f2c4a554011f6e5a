package vet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

// Outside finds events that are recorded by others than the aggregate.
var Outside = &analysis.Analyzer{
	Name: "outside",
	Doc: `find calls of Record outside of the methods of the aggregate

Record is the end of a decision: the methods of the aggregate look at its state,
refuse or record. A handler that records by itself has passed their rules by. It
finds every use of the Record that a type gets from eventus.Aggregate, also as a
method value, in code that is not in a method of such a type. A closure in a
method is in the method; a function that a method calls is not.

It is silent in files of tests, where a history may be built by Record, and about
a Record that is called through an interface.`,
	Run: runOutside,
}

func runOutside(pass *analysis.Pass) (any, error) {
	for _, file := range pass.Files {
		if inTest(pass, file.FileStart) {
			continue
		}
		for _, declaration := range file.Decls {
			ast.Inspect(declaration, func(n ast.Node) bool {
				selector, ok := n.(*ast.SelectorExpr)
				if !ok || pass.TypesInfo.Selections[selector] == nil {
					return true
				}
				selection := pass.TypesInfo.Selections[selector]
				aggregate := aggregateOf(selection.Obj())
				if aggregate != nil && !isMethodOf(pass.TypesInfo, declaration, aggregate) {
					report(pass, selector.Sel.Pos(), "Record outside of the methods of %s: make the decision a method of it, and call that",
						nameOf(pass, pointee(selection.Recv())))
				}
				return true
			})
		}
	}
	return nil, nil
}

// isMethodOf reports whether a declaration is a method of a type that embeds the
// aggregate.
func isMethodOf(info *types.Info, declaration ast.Decl, aggregate *types.Named) bool {
	function, ok := declaration.(*ast.FuncDecl)
	if !ok || function.Recv == nil {
		return false
	}
	receiver := info.Defs[function.Name].(*types.Func).Signature().Recv().Type()
	record, _, _ := types.LookupFieldOrMethod(receiver, true, nil, "Record")
	own := aggregateOf(record)
	return own != nil && types.Identical(own, aggregate)
}
