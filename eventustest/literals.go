package eventustest

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// literals returns the texts that stand in the source of the package of a type
// that has a method: a code that a switch knows is among them. Where the source
// is not at hand there are none.
func literals(t reflect.Type) []string {
	dir := sourceOf(t)
	if dir == "" {
		return nil
	}
	if known, ok := literalsIn.Load(dir); ok {
		return known.([]string)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	var all []string
	for _, file := range files {
		all = append(all, literalsOf(file)...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	literalsIn.Store(dir, all)
	return all
}

var literalsIn sync.Map // of a directory, to []string

// sourceOf returns the directory of the package of a type, by its methods.
func sourceOf(t reflect.Type) string {
	for i := range t.NumMethod() {
		f := runtime.FuncForPC(t.Method(i).Func.Pointer())
		if f == nil {
			continue
		}
		if file, _ := f.FileLine(f.Entry()); filepath.IsAbs(file) {
			return filepath.Dir(file)
		}
	}
	return ""
}

// literalsOf lists the short texts and the numbers of a file.
func literalsOf(name string) []string {
	const longest = 40
	source, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile(name, -1, len(source)), source, nil, 0)
	var all []string
	for {
		_, kind, text := s.Scan()
		switch kind {
		case token.EOF:
			return all
		case token.INT:
			all = append(all, strings.ReplaceAll(text, "_", ""))
		case token.STRING:
			if text, err := strconv.Unquote(text); err == nil && len(text) <= longest {
				all = append(all, text)
			}
		}
	}
}
