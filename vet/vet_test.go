package vet_test

import (
	"path/filepath"
	"testing"

	"github.com/eventus-go/eventus/vet"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// The packages in testdata say in comments what is found. They are packages of
// this module, so that they are on the real Eventus.
func TestAnalyzers(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, analyzer := range vet.Analyzers {
		t.Run(analyzer.Name, func(t *testing.T) {
			analysistest.Run(t, root, analyzer, "./vet/testdata/"+analyzer.Name, "./vet/testdata/"+analyzer.Name+"/...")
		})
	}
}

func TestAnalyzersAreValid(t *testing.T) {
	if err := analysis.Validate(vet.Analyzers); err != nil {
		t.Error(err)
	}
}
