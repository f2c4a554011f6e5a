// Eventusvet finds mistakes in programs on Eventus that the compiler lets pass.
package main

import (
	"github.com/eventus-go/eventus/vet"
	"golang.org/x/tools/go/analysis/multichecker"
)

func main() { multichecker.Main(vet.Analyzers...) }
