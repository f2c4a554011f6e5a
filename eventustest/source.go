package eventustest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// place is where in a test a check was asked for. Its source tells how a
// counter-example is written so that it can be pasted there.
type place struct {
	file     string
	line     int
	function string // the caller's, with its package's path
}

// here returns the place of the caller's caller's caller, as many calls up as
// skip says.
func here(skip int) place {
	pc, file, line, ok := runtime.Caller(skip + 1)
	if !ok {
		return place{}
	}
	return place{file, line, runtime.FuncForPC(pc).Name()}
}

// packagePath returns the import path of the package that a function is in.
func packagePath(function string) string {
	slash := strings.LastIndex(function, "/") + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + name
}

// source is a place with the text around it. Without the text, as in a binary
// built by -trimpath, names are those of their packages.
type source struct {
	place
	text    []byte
	files   *token.FileSet
	tree    *ast.File
	imports map[string]string // local name by path; "." for a dot import
}

func (p place) read() *source {
	s := &source{place: p, files: token.NewFileSet(), imports: make(map[string]string)}
	text, err := os.ReadFile(p.file)
	if err != nil {
		return s
	}
	tree, err := parser.ParseFile(s.files, p.file, text, parser.SkipObjectResolution)
	if err != nil {
		return s
	}
	s.text, s.tree = text, tree
	for _, i := range tree.Imports {
		if i.Name == nil {
			continue
		}
		if imported, err := strconv.Unquote(i.Path.Value); err == nil {
			s.imports[imported] = i.Name.Name
		}
	}
	return s
}

// definition returns the expression of the definition in the call at the place.
func (s *source) definition() string {
	return s.argument("definition", map[string]int{"Check": 1, "CheckProjection": 1, "LawsOf": 0})
}

// opener returns the expression of the function that opens a read model.
func (s *source) opener() string {
	return s.argument("open", map[string]int{"CheckProjection": 2})
}

// argument returns the text of an argument of the call at the place: which one
// is said for each function. Without the text it is the fallback.
func (s *source) argument(fallback string, which map[string]int) string {
	found := fallback
	if s.tree == nil {
		return found
	}
	ast.Inspect(s.tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || s.files.Position(call.Pos()).Line > s.line || s.files.Position(call.End()).Line < s.line {
			return true
		}
		name := ""
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			name = f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		if i, ok := which[name]; ok && i < len(call.Args) {
			found = s.slice(call.Args[i])
		}
		return true
	})
	return found
}

func (s *source) slice(n ast.Node) string {
	return string(s.text[s.files.Position(n.Pos()).Offset:s.files.Position(n.End()).Offset])
}

// name returns how the place writes the name of a declared type.
func (s *source) name(t reflect.Type) string {
	if t.PkgPath() == "" {
		return t.Name()
	}
	return s.qualified(t.PkgPath(), strings.TrimSuffix(t.String(), "."+t.Name()), t.Name())
}

// qualified returns a name of a package as the place writes it.
func (s *source) qualified(pkg, pkgName, name string) string {
	local, renamed := s.imports[pkg]
	switch {
	case s.own(pkg), local == ".":
		return name
	case renamed:
		return local + "." + name
	default:
		return pkgName + "." + name
	}
}

func (s *source) own(pkg string) bool { return pkg == packagePath(s.function) }

// ours returns a name of this package as the place writes it.
func (s *source) ours(name string) string { return s.qualified(ownPackage, "eventustest", name) }

var ownPackage = reflect.TypeFor[Clock]().PkgPath()

// call returns an expression that calls f with a subject, an aggregate or a
// state, and further arguments.
func (s *source) call(f any, subject string, args ...any) string {
	written := make([]string, len(args))
	for i, a := range args {
		written[i] = s.expression(a)
	}
	if _, method, ok := methodOf(f); ok {
		return fmt.Sprintf("%s.%s(%s)", subject, method, strings.Join(written, ", "))
	}
	return fmt.Sprintf("%s(%s)", s.callable(f), strings.Join(append([]string{subject}, written...), ", "))
}

// callable returns an expression of f: a method, a function of a package, or a
// function literal.
func (s *source) callable(f any) string {
	function, pkg, name := nameOf(f)
	if _, method, ok := methodOf(f); ok {
		receiver := printer{name: s.name}.typeName(reflect.TypeOf(f).In(0))
		return fmt.Sprintf("(%s).%s", receiver, method)
	}
	if strings.ContainsAny(name, ".[-") {
		return s.literalAt(function)
	}
	return s.qualified(pkg, path.Base(pkg), name)
}

// nameOf returns the package and the name of a function.
func nameOf(f any) (function *runtime.Func, pkg, name string) {
	function = runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	pkg = packagePath(function.Name())
	return function, pkg, strings.TrimPrefix(function.Name()[len(pkg):], ".")
}

// expression writes an argument. One that no expression makes is left for the
// reader to replace.
func (s *source) expression(v any) string {
	text := printer{name: s.name}.literal(v)
	if !s.writable(v) {
		text += " /* has parts that only its own package can write */"
	}
	return text
}

// writable reports whether an expression at the place can make v.
func (s *source) writable(v any) bool {
	return v == nil || writable(reflect.ValueOf(v), func(t reflect.Type) bool { return s.own(t.PkgPath()) }, 0)
}

// methodOf takes the name of a method apart, "(*Product).Reprice" or
// "Product.Reprice".
func methodOf(f any) (receiver, method string, ok bool) {
	_, _, name := nameOf(f)
	if pointer, found := strings.CutPrefix(name, "(*"); found {
		receiver, method, ok = strings.Cut(pointer, ").")
	} else {
		receiver, method, ok = strings.Cut(name, ".")
	}
	if !ok || !token.IsIdentifier(method) || literalName.MatchString(method) {
		return "", "", false
	}
	return receiver, method, true
}

// literalName is what the compiler calls a function literal.
var literalName = regexp.MustCompile(`^func\d+$`)

// literalAt returns the text of the function literal that a function was
// compiled from.
func (s *source) literalAt(function *runtime.Func) string {
	file, line := function.FileLine(function.Entry())
	from := place{file: file, line: line}.read()
	text := ""
	if from.tree != nil {
		ast.Inspect(from.tree, func(n ast.Node) bool {
			literal, ok := n.(*ast.FuncLit)
			if ok && text == "" && from.files.Position(literal.Pos()).Line == line {
				text = from.slice(literal)
			}
			return true
		})
	}
	if text == "" {
		return fmt.Sprintf("/* the function at %s:%d */", path.Base(file), line)
	}
	return text
}
