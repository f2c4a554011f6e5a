package eventustest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// SetUpdate sets the flag.
func SetUpdate(t *testing.T, to bool) { *updateFlag = to }

// RereadContract checks that what is read of a contract is written so that it is
// read again.
func RereadContract(t *testing.T, text string) {
	once, err := readContract(text)
	if err != nil {
		return
	}
	for _, b := range once.blocks {
		if strings.ContainsAny(b.name, "\r") {
			return
		}
	}
	again, err := readContract(once.write())
	if err != nil {
		t.Fatalf("%v\n%s", err, once.write())
	}
	if d := cmp.Diff(once, again, cmp.AllowUnexported(contract{}, block{}, field{}, sample{})); d != "" {
		t.Fatalf("-once +again:\n%s", d)
	}
}

// Literal writes a value as a test of this package would.
func Literal(v any) string {
	return here(1).read().expression(v, reflect.TypeOf(v))
}

// Elsewhen runs f at other times.
var Elsewhen = elsewhen
