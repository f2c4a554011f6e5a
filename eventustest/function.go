package eventustest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// nameOf returns the package and the name of a function, as the compiler calls
// it.
func nameOf(f any) (function *runtime.Func, pkg, name string) {
	function = runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	pkg, name = cutPackage(function.Name())
	return function, pkg, name
}

// plainName is the last part of a function's name: without its package, its
// receiver, and what the compiler adds for type arguments and method values.
func plainName(name string) string {
	name = strings.TrimSuffix(strings.ReplaceAll(name, "[...]", ""), "-fm")
	return name[strings.LastIndexAny(name, "./")+1:]
}

// methodOf takes the name of a method apart, "(*Product).Reprice" or
// "Product.Reprice".
func methodOf(f any) (method string, ok bool) {
	_, _, name := nameOf(f)
	if pointer, found := strings.CutPrefix(name, "(*"); found {
		_, method, ok = strings.Cut(pointer, ").")
	} else {
		_, method, ok = strings.Cut(name, ".")
	}
	return method, ok && token.IsIdentifier(method) && !literalName.MatchString(method)
}

// literalName is what the compiler calls a function literal.
var literalName = regexp.MustCompile(`^func\d+$`)

// command returns the text of the function in a call of Do at a place.
func (s *source) command(f any, at place) string {
	return s.function(f, at, func(name string) bool {
		return name == "Do" || name == "Do1" || name == "Do2" || name == "Do3"
	})
}

// invariant returns the text of the function in a call of Invariant in the file.
func (s *source) invariant(f any) string {
	return s.function(f, place{file: s.file, caller: s.caller}, func(name string) bool { return name == "Invariant" })
}

// function returns the text of a function as it was handed to a call at a place.
// Where that text says nothing outside of its place, as the name of a parameter
// does, or cannot be read, it is the name that the compiler gave the function.
func (s *source) function(f any, at place, is func(name string) bool) string {
	from := at.read()
	if from.file == s.file {
		from = s
	}
	var candidates []ast.Expr
	for _, call := range from.calls(is, at.line) {
		if len(call.Args) > 0 {
			candidates = append(candidates, call.Args[0])
		}
	}
	if e := s.fitting(from, candidates, f); e != nil {
		return s.paste(from, e)
	}
	return s.compiled(f)
}

// fitting returns the one of some expressions in a file that a function was made
// by; nil where none is.
func (s *source) fitting(from *source, candidates []ast.Expr, f any) ast.Expr {
	_, _, name := nameOf(f)
	var literals []*ast.FuncLit
	for _, e := range candidates {
		switch e := ast.Unparen(e).(type) {
		case *ast.FuncLit:
			literals = append(literals, e)
		case *ast.SelectorExpr, *ast.Ident, *ast.IndexExpr, *ast.IndexListExpr:
			if called(&ast.CallExpr{Fun: e}) == plainName(name) {
				return e
			}
		}
	}
	if literal := s.literal(from, literals, f); literal != nil {
		return literal
	}
	if len(candidates) == 1 && len(literals) == 0 && !from.isLocal(candidates[0]) {
		return candidates[0] // a variable, or what a call returns
	}
	return nil
}

// literal returns the function literal in a file that a function was compiled
// from. The compiler keeps the line of its first statement, and counts literals
// in their names.
func (s *source) literal(from *source, literals []*ast.FuncLit, f any) *ast.FuncLit {
	function, _, name := nameOf(f)
	file, line := function.FileLine(function.Entry())
	if path.Base(file) != from.base() {
		return nil
	}
	literals = slices.DeleteFunc(slices.Clone(literals), func(l *ast.FuncLit) bool { return !from.spans(l, line) })
	innermost := slices.DeleteFunc(slices.Clone(literals), func(l *ast.FuncLit) bool {
		return slices.ContainsFunc(literals, func(in *ast.FuncLit) bool { return in != l && l.Pos() <= in.Pos() && in.End() <= l.End() })
	})
	if len(literals) == 0 {
		return nil
	}
	if len(innermost) == 1 && len(literals) == 1 {
		return innermost[0]
	}
	names := from.literalNames()
	for _, l := range literals {
		if names[l] == strings.ReplaceAll(name, "[...]", "") {
			return l
		}
	}
	if len(innermost) == 1 {
		return innermost[0]
	}
	if i := s.rank(f, len(innermost)); i >= 0 {
		return innermost[i]
	}
	return nil
}

// literalNames returns what the compiler calls the literals in the functions of
// a file: TestX.func2, and TestX.func2.1 for one in it.
func (s *source) literalNames() map[*ast.FuncLit]string {
	names := make(map[*ast.FuncLit]string)
	var count func(in ast.Node, prefix string)
	count = func(in ast.Node, prefix string) {
		n := 0
		ast.Inspect(in, func(node ast.Node) bool {
			literal, ok := node.(*ast.FuncLit)
			if !ok {
				return true
			}
			n++
			names[literal] = prefix + strconv.Itoa(n)
			count(literal.Body, names[literal]+".")
			return false
		})
	}
	for _, d := range s.tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil && len(f.Recv.List) == 1 {
			receiver := s.slice(f.Recv.List[0].Type)
			if strings.HasPrefix(receiver, "*") {
				receiver = "(" + receiver + ")"
			}
			name = receiver + "." + name
		}
		count(f.Body, name+".func")
	}
	return names
}

// rank returns which one f is of the functions of the same laws that the
// compiler made from literals on one line, if these are as many as are asked
// for; else -1.
func (s *source) rank(f any, of int) int {
	line, number := literalLine(f)
	var numbers []int
	for _, sibling := range s.siblings {
		if l, n := literalLine(sibling); l == line && !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	if len(numbers) != of {
		return -1
	}
	return slices.Index(numbers, number)
}

func literalLine(f any) (line string, number int) {
	function, _, name := nameOf(f)
	digits := trailingDigits.FindString(name)
	number, _ = strconv.Atoi(digits)
	file, at := function.FileLine(function.Entry())
	return fmt.Sprintf("%s at %s:%d", strings.TrimSuffix(function.Name(), digits), file, at), number
}

var trailingDigits = regexp.MustCompile(`\d*$`)

// compiled returns an expression of f by the name that the compiler gave it: a
// method, a function of a package, or a function literal.
func (s *source) compiled(f any) string {
	function, pkg, name := nameOf(f)
	if method, ok := methodOf(f); ok {
		return s.printer().methodOf(reflect.TypeOf(f).In(0)) + "." + method
	}
	file, line := function.FileLine(function.Entry())
	from := place{file: file, line: line, caller: function.Name()}.read()
	if plain := strings.TrimSuffix(name, "[...]"); token.IsIdentifier(plain) {
		pkgName := s.packageName(pkg)
		if from.tree != nil {
			pkgName = from.tree.Name.Name
		}
		return s.qualified(pkg, pkgName, plain)
	}
	if from.tree != nil {
		var literals []*ast.FuncLit
		ast.Inspect(from.tree, func(n ast.Node) bool {
			if l, ok := n.(*ast.FuncLit); ok {
				literals = append(literals, l)
			}
			return true
		})
		if l := s.literal(from, literals, f); l != nil {
			return s.paste(from, l)
		}
	}
	return fmt.Sprintf("/* the function %s at %s:%d */", name, path.Base(file), line)
}

// paste returns the text of an expression in another file as the place writes
// it.
func (s *source) paste(from *source, e ast.Expr) string {
	text := from.slice(e)
	if from == s || from.file == s.file {
		return text
	}
	from.resolve()
	start := from.files.Position(e.Pos()).Offset
	pkg := packagePath(from.caller)
	shift := 0
	ast.Inspect(e, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok || from.uses[id] == nil {
			return true
		}
		name := id.Name
		if imported, ok := from.uses[id].(*types.PkgName); ok {
			path, called := imported.Imported().Path(), id.Name
			if _, renamed := from.imports[path]; renamed {
				called = s.packageName(path)
			}
			name = strings.TrimSuffix(s.qualified(path, called, ""), ".")
		} else if from.uses[id].Parent() == from.scope {
			name = s.qualified(pkg, from.tree.Name.Name, id.Name)
		}
		at := from.files.Position(id.Pos()).Offset - start + shift
		rest := text[at+len(id.Name):]
		if name == "" { // the package is the place's own
			rest = strings.TrimPrefix(rest, ".")
		}
		shift += at + len(name) + len(rest) - len(text)
		text = text[:at] + name + rest
		return true
	})
	return text
}

// apply returns an expression that calls the function of a text with a subject,
// an aggregate or a state, and further arguments.
func (s *source) apply(text string, t reflect.Type, subject string, args ...string) string {
	if method, ok := strings.CutPrefix(text, s.printer().methodOf(t)+"."); ok && token.IsIdentifier(method) {
		return fmt.Sprintf("%s.%s(%s)", subject, method, strings.Join(args, ", "))
	}
	if strings.HasPrefix(text, "*") || strings.HasPrefix(text, "<-") {
		text = "(" + text + ")"
	}
	return fmt.Sprintf("%s(%s)", text, strings.Join(append([]string{subject}, args...), ", "))
}
