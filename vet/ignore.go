package vet

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// report tells of a finding, unless the code says that it is meant.
func report(pass *analysis.Pass, pos token.Pos, format string, args ...any) {
	if !ignored(pass, pos) {
		pass.Report(analysis.Diagnostic{Pos: pos, Message: fmt.Sprintf(format, args...)})
	}
}

// ignored reports whether a comment with a reason tells the analyzer to pass
// over the line of pos.
func ignored(pass *analysis.Pass, pos token.Pos) bool {
	// The real lines, not those of a line directive.
	line := pass.Fset.PositionFor(pos, false).Line
	for _, group := range fileOf(pass, pos).Comments {
		for _, comment := range group.List {
			text, ok := strings.CutPrefix(comment.Text, "//eventusvet:ignore ")
			if !ok {
				continue
			}
			words := strings.Fields(text)
			if len(words) < 2 || words[0] != pass.Analyzer.Name {
				continue
			}
			at := pass.Fset.PositionFor(comment.Pos(), false)
			if at.Line == line || at.Line == line-1 && isAlone(pass, at) {
				return true
			}
		}
	}
	return false
}

// isAlone reports whether nothing but space is before a comment in its line.
func isAlone(pass *analysis.Pass, comment token.Position) bool {
	source, err := pass.ReadFile(comment.Filename)
	return err == nil && len(bytes.TrimSpace(source[comment.Offset-(comment.Column-1):comment.Offset])) == 0
}

// fileOf returns the file that pos is in. Findings are in files of the package.
func fileOf(pass *analysis.Pass, pos token.Pos) *ast.File {
	for _, file := range pass.Files {
		if file.FileStart <= pos && pos <= file.FileEnd {
			return file
		}
	}
	panic("vet: a finding outside of the package's files")
}

// inTest reports whether pos is in a file of tests.
func inTest(pass *analysis.Pass, pos token.Pos) bool {
	return strings.HasSuffix(pass.Fset.File(pos).Name(), "_test.go")
}
