// Package vet finds mistakes in programs on Eventus that the compiler lets pass
// and a test may not meet: events that no definition lists, events that are
// applied in another way at every load, fields that are lost in the store, and
// decisions outside of their aggregate.
//
// The command eventusvet runs [Analyzers], under go vet or alone. They are plain
// values of golang.org/x/tools/go/analysis, for other drivers to run beside
// their own. The Doc of each says what it finds, and what it does not.
//
// An analyzer prefers silence to a false alarm. Where it speaks and the code is
// meant, a comment at the end of the line, or on a line of its own above, says so
// with the analyzer's name and the reason; without a reason it has no effect:
//
//	//eventusvet:ignore lossy the cache is built anew by Apply
package vet

import "golang.org/x/tools/go/analysis"

// Analyzers are all analyzers of this package.
var Analyzers = []*analysis.Analyzer{Impure, Lossy, Outside, Unlisted}
