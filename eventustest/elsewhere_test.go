package eventustest_test

import (
	wrong "errors"
	text "strings"

	"github.com/eventus-go/eventus/eventustest"
	"pgregory.net/rapid"
)

// recordsFirst is written here, and its counter-examples where it is checked:
// there the packages have other names.
var recordsFirst = eventustest.Do1(func(a *account, n int) error {
	a.Record(renamed{text.Repeat("x", n)})
	return wrong.New("no")
}, rapid.IntRange(1, 3))
