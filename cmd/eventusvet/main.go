// Eventusvet finds mistakes in programs on Eventus that the compiler lets pass
// and a test may not meet. It runs under go vet, or alone:
//
//	go get -tool github.com/eventus-go/eventus/cmd/eventusvet
//	go vet -vettool=$(go tool -n eventusvet) ./...
//	go tool eventusvet ./...
//
// So its version is that of the library, as go.mod has it.
//
// Under go vet, what did not change is not looked at again, and the checks of go
// vet itself do not run: keep a plain go vet beside it. Its analyzers, of which
// "go tool eventusvet help NAME" tells all, are
//
//	impure    an Apply that does not depend on state and event alone: it reads
//	          the clock, a random source, the environment or a variable that may
//	          change, lets the order of a map into the state, or writes to its event
//	lossy     a field of an event that the default codec drops or cannot read
//	outside   a Record outside of the methods of the aggregate; not in tests
//	unlisted  an event that the definition of its aggregate does not list
//
// A flag -NAME runs only the analyzers that are so named, and -NAME=false all
// others. Where the code is meant, a comment with the reason silences one line,
// from its end or from a line of its own above:
//
//	//eventusvet:ignore impure the event measures; the state does not depend on it
//
// They prefer silence to a false alarm: what they do not follow is in their help
// and in package vet. What a value becomes in a running program, as a slice that
// state and event share, is for package eventustest to find.
package main

import (
	"github.com/eventus-go/eventus/vet"
	"golang.org/x/tools/go/analysis/multichecker"
)

// Called by go vet, multichecker does as unitchecker does.
func main() { multichecker.Main(vet.Analyzers...) }
