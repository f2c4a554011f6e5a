package eventustest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// place is where in a test a check was asked for. Its source tells how a
// counter-example is written so that it can be pasted there.
type place struct {
	file   string
	line   int
	caller string // the caller's, with its package's path
}

// here returns the place from which the function that asks was called.
func here() place {
	const skip = 2 // this function, and the one that asks
	pc, file, line, ok := runtime.Caller(skip)
	if !ok {
		return place{}
	}
	return place{file, line, runtime.FuncForPC(pc).Name()}
}

// packagePath returns the import path of the package that a function is in.
func packagePath(function string) string {
	pkg, _ := cutPackage(function)
	return pkg
}

// cutPackage takes the name of a function apart. The linker escapes the dots in
// the last part of a path.
func cutPackage(function string) (pkg, name string) {
	slash := strings.LastIndex(function, "/") + 1
	last, name, _ := strings.Cut(function[slash:], ".")
	pkg = function[:slash] + last
	if unescaped, err := url.PathUnescape(pkg); err == nil {
		pkg = unescaped
	}
	return pkg, name
}

// source is a place with the text around it. Without the text names are those
// of their packages.
type source struct {
	place
	text     []byte
	files    *token.FileSet
	tree     *ast.File
	imports  map[string]string // local name by path, of those that have one; "." for a dot import
	missing  map[string]bool   // what was written of packages that the file does not import
	notes    []string          // what a reader has to know before the test compiles
	siblings []any             // the functions of the same laws
	uses     map[*ast.Ident]types.Object
	scope    *types.Scope
}

func (p place) read() *source {
	s := &source{place: p, files: token.NewFileSet(), imports: make(map[string]string), missing: make(map[string]bool)}
	text, err := os.ReadFile(p.file)
	if err != nil && !filepath.IsAbs(p.file) {
		// A binary built by -trimpath, which go test runs in the package's folder.
		s.file = path.Base(p.file)
		text, err = os.ReadFile(s.file)
	}
	if err != nil {
		return s
	}
	tree, err := parser.ParseFile(s.files, s.file, text, parser.SkipObjectResolution)
	if err != nil {
		return s
	}
	s.text, s.tree = text, tree
	for _, i := range tree.Imports {
		if i.Name == nil || i.Name.Name == "_" {
			continue
		}
		if imported, err := strconv.Unquote(i.Path.Value); err == nil {
			s.imports[imported] = i.Name.Name
		}
	}
	return s
}

// base returns the name of the file at the place.
func (s *source) base() string { return filepath.Base(filepath.FromSlash(s.file)) }

// resolve finds out what the names in the file stand for, as far as that goes
// without the packages that it imports.
func (s *source) resolve() {
	if s.uses != nil || s.tree == nil {
		return
	}
	s.uses = make(map[*ast.Ident]types.Object)
	files := []*ast.File{s.tree}
	siblings, _ := filepath.Glob(filepath.Join(filepath.Dir(s.file), "*.go"))
	for _, file := range siblings {
		if filepath.Base(file) == s.base() {
			continue
		}
		tree, err := parser.ParseFile(s.files, file, nil, parser.SkipObjectResolution)
		if err == nil && tree.Name.Name == s.tree.Name.Name {
			files = append(files, tree)
		}
	}
	config := types.Config{Importer: nameOnly{s}, Error: func(error) {}}
	pkg, _ := config.Check(packagePath(s.caller), s.files, files, &types.Info{Uses: s.uses}) // says what it does not know
	s.scope = pkg.Scope()
}

// nameOnly imports packages by their names, with nothing in them.
type nameOnly struct{ *source }

func (n nameOnly) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, n.packageName(path))
	pkg.MarkComplete()
	return pkg, nil
}

// packageName guesses the name of a package from its path: the guess that the
// file has a use for, or else the first.
func (s *source) packageName(imported string) string {
	guesses := packageNames(imported)
	if s.tree != nil {
		for _, guess := range guesses {
			used := false
			ast.Inspect(s.tree, func(n ast.Node) bool {
				if selector, ok := n.(*ast.SelectorExpr); ok {
					x, ok := selector.X.(*ast.Ident)
					used = used || ok && x.Name == guess
				}
				return !used
			})
			if used {
				return guess
			}
		}
	}
	return guesses[0]
}

var (
	majorVersion  = regexp.MustCompile(`^v\d+$`)
	versionSuffix = regexp.MustCompile(`\.v\d+$`)
)

// packageNames lists what a package of a path may be called, likeliest first.
func packageNames(imported string) []string {
	last := path.Base(imported)
	if dir := path.Base(path.Dir(imported)); majorVersion.MatchString(last) && dir != "." {
		last = dir
	}
	last = versionSuffix.ReplaceAllString(last, "")
	trimmed := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(last, "-go"), ".go"), "go-")
	var names []string
	for _, name := range []string{last, trimmed, strings.ReplaceAll(trimmed, "-", ""), strings.ReplaceAll(trimmed, "-", "_"), trimmed[strings.LastIndexAny(trimmed, "-.")+1:]} {
		if token.IsIdentifier(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return append(names, path.Base(imported))
}

// isLocal reports whether an expression of the file uses a name that only the
// function around it knows.
func (s *source) isLocal(e ast.Node) bool {
	s.resolve()
	local := false
	ast.Inspect(e, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok || s.uses[id] == nil {
			return true
		}
		o := s.uses[id]
		scope := o.Parent() // nil for fields and methods
		if _, pkg := o.(*types.PkgName); !pkg && scope != nil && scope != types.Universe && scope != s.scope && (o.Pos() < e.Pos() || o.Pos() >= e.End()) {
			local = true
		}
		return true
	})
	return local
}

// definition returns the expression of the definition in the call at the place.
func (s *source) definition(category string) string {
	return s.argument("definition", "the definition of "+strconv.Quote(category), map[string]int{"Check": 1, "CheckProjection": 1, "LawsOf": 0})
}

// opener returns the expression of the function that opens a read model.
func (s *source) opener() string {
	return s.argument("open", "the function that opens the read model", map[string]int{"CheckProjection": 2})
}

// argument returns the text of an argument of the call at the place: which one
// is said for each function. Without the text it is the fallback.
func (s *source) argument(fallback, what string, which map[string]int) string {
	var found ast.Expr
	for _, call := range s.calls(func(name string) bool { _, ok := which[name]; return ok }, s.line) {
		if i := which[called(call)]; i < len(call.Args) {
			found = call.Args[i]
		}
	}
	if found == nil {
		s.note(fallback + " is a placeholder for " + what + ".")
		return fallback
	}
	text := s.slice(found)
	if s.isLocal(found) {
		s.note(strings.Join(strings.Fields(text), " ") + " is " + what + " at " + s.base() + ":" + strconv.Itoa(s.line) + ".")
	}
	return text
}

func (s *source) note(text string) {
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// calls returns the calls of some functions on a line, or in the whole file for
// line 0.
func (s *source) calls(is func(name string) bool, line int) (calls []*ast.CallExpr) {
	if s.tree == nil {
		return nil
	}
	ast.Inspect(s.tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if ok && (line == 0 || s.spans(call, line)) && is(called(call)) {
			calls = append(calls, call)
		}
		return true
	})
	return calls
}

// called returns the name of a function that is called, without its package.
func called(call *ast.CallExpr) string {
	f := call.Fun
	switch instance := f.(type) {
	case *ast.IndexExpr:
		f = instance.X
	case *ast.IndexListExpr:
		f = instance.X
	}
	switch f := f.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

func (s *source) spans(n ast.Node, line int) bool {
	return s.files.Position(n.Pos()).Line <= line && line <= s.files.Position(n.End()).Line
}

func (s *source) slice(n ast.Node) string {
	return string(s.text[s.files.Position(n.Pos()).Offset:s.files.Position(n.End()).Offset])
}

// name returns how the place writes the name of a declared type.
func (s *source) name(t reflect.Type) string {
	name, arguments, generic := strings.Cut(t.Name(), "[")
	if t.PkgPath() == "" {
		return t.Name()
	}
	name = s.qualified(t.PkgPath(), strings.TrimSuffix(t.String(), "."+t.Name()), name)
	if !generic {
		return name
	}
	return name + "[" + typeArgument.ReplaceAllStringFunc(arguments, func(argument string) string {
		dot := strings.LastIndex(argument, ".")
		pkg := argument[:dot]
		if unescaped, err := url.PathUnescape(pkg); err == nil {
			pkg = unescaped
		}
		return s.qualified(pkg, s.packageName(pkg), argument[dot+1:])
	})
}

// typeArgument matches a declared type as reflect writes it between brackets,
// with its package's path.
var typeArgument = regexp.MustCompile(`(?:[^\s\[\](){},;*"]*/)?[\pL_][^\s\[\](){},;*"/]*\.[\pL_][\pL\pN_]*`)

// qualified returns a name of a package as the place writes it.
func (s *source) qualified(pkg, pkgName, name string) string {
	local, renamed := s.imports[pkg]
	switch {
	case s.own(pkg), local == ".":
		return name
	case renamed:
		return local + "." + name
	}
	s.needs(pkg)
	return pkgName + "." + name
}

// needs notes that what is written uses a package.
func (s *source) needs(pkg string) {
	if s.tree == nil || s.own(pkg) {
		return
	}
	for _, i := range s.tree.Imports {
		if imported, err := strconv.Unquote(i.Path.Value); err == nil && imported == pkg && (i.Name == nil || i.Name.Name != "_") {
			return
		}
	}
	s.missing[pkg] = true
}

func (s *source) own(pkg string) bool { return pkg == packagePath(s.caller) }

// ours returns a name of this package as the place writes it.
func (s *source) ours(name string) string { return s.qualified(ownPackage, "eventustest", name) }

var ownPackage = reflect.TypeFor[Clock]().PkgPath()

func (s *source) printer() printer { return printer{name: s.name, qualified: s.qualified} }

// expression writes a value of a type. One that no expression at the place makes
// is left for the reader to replace.
func (s *source) expression(v any, t reflect.Type) string {
	if s.writable(v) {
		return s.printer().literal(v)
	}
	text := strings.ReplaceAll(printer{}.literal(v), "*/", "* /")
	return "*new(" + s.printer().typeName(t) + ") /* replace by: " + text + " */"
}

// writable reports whether an expression at the place can make v.
func (s *source) writable(v any) bool {
	return v == nil || (&writer{own: func(t reflect.Type) bool { return s.own(t.PkgPath()) }}).can(reflect.ValueOf(v), 0)
}
