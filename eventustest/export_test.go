package eventustest

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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
	return here().read().expression(v, reflect.TypeOf(v))
}

// Elsewhen runs f at other times.
var Elsewhen = elsewhen

// Fingerprint is what values are compared by.
func Fingerprint(v any) string { return fingerprint(v) }

// Quoted writes a text.
func Quoted(text string) string { return quoted(text) }

// Run runs a command once.
func Run[A any](c Command[A], a A) {
	rapid.Custom(func(t *rapid.T) error { return c.draw(t).decide(a) }).Example(1)
}

// Written returns what is printed of a value where packages go by the imports of
// a file, and which of them are missing there.
func Written(file, function string, v any) (text string, missing []string) {
	s := place{file, 1, function}.read()
	text = s.expression(v, reflect.TypeOf(v))
	return text, slices.Sorted(maps.Keys(s.missing))
}

// ReportAt returns what is printed of a broken law at a file.
func ReportAt(file string) string {
	f := failure{broken(lawApplies, "it does"), func(s *source) string { return s.ours("For") }}
	return f.report(place{file: file})
}

// SetLongestWait sets how long a message may take, until the test ends.
func SetLongestWait(t *testing.T, to time.Duration) {
	was := longestWait
	longestWait = to
	t.Cleanup(func() { longestWait = was })
}

// Tries searches for a number that is too large, and returns how often each one
// was tried after the first of them.
func Tries(t testing.TB, tooLarge int) map[int]int {
	var failed bool
	tries := make(map[int]int)
	search(t, place{}, func(rt *rapid.T) (string, func() *failure) {
		n := rapid.IntRange(0, 100*tooLarge).Draw(rt, "n")
		return strconv.Itoa(n), func() *failure {
			if failed {
				tries[n]++
			}
			if n < tooLarge {
				return nil
			}
			failed = true
			return &failure{broken(lawHolds, "%d", n), func(*source) string { return "" }}
		}
	})
	return tries
}

// PackageNames guesses the name of a package.
func PackageNames(path string) []string { return packageNames(path) }
