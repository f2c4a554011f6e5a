package eventustest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// failure is a broken law, and the way to write it as a test.
type failure struct {
	*violation
	test func(*source) string
}

// report tells of the failure, for a reader of the place.
func (f *failure) report(at place) string {
	s := at.read()
	where := "for " + s.base()
	if s.tree == nil {
		where = "with the names of packages, as its file was not found"
	}
	return fmt.Sprintf("%s\n\nAs a test, %s:\n\n%s", f.Error(), where, f.test(s))
}

// lazily is a text that is made when it is printed.
type lazily func() string

func (f lazily) String() string { return f() }

// testName is the law as the name of a test.
func (l law) testName() string {
	var b strings.Builder
	b.WriteString("Test")
	for word := range strings.FieldsSeq(string(l)) {
		word = strings.Trim(word, ",")
		b.WriteRune(unicode.ToUpper(rune(word[0])))
		b.WriteString(word[1:])
	}
	return b.String()
}

// search looks for a failure of a property by rapid. It returns how many
// histories it took, and what there is to say: the smallest failure found, or
// what kept rapid from its work.
//
// The property draws a history, and returns how to tell it from others and how to
// try it. Most that rapid makes up to find a smaller one are known already; these
// are not tried again.
func search(t testing.TB, at place, property func(*rapid.T) (key string, try func() *failure)) (histories int, trouble string) {
	t.Helper()
	var found *failure
	known := make(map[string]*failure) // since the first failure
	quiet := &quiet{TB: t}
	rapid.Check(quiet, func(rt *rapid.T) {
		histories++
		key, try := property(rt)
		f, tried := known[key]
		switch {
		case found != nil && found.slow:
			f = found
		case !tried:
			f = try()
		}
		if f != nil || len(known) > 0 {
			known[key] = f
		}
		if f != nil {
			found = f
			rt.Fatal(string(f.law))
		}
	})
	if !quiet.failed {
		return histories, ""
	}
	said := strings.Join(quiet.errors, "\n")
	if found == nil {
		if strings.Contains(said, "valid tests from") {
			said = "a generator seldom succeeds: loosen its Filter, or build what passes\n" + said
		}
		return histories, said
	}
	trouble = found.report(at)
	if again := reproduce.FindStringSubmatch(said); again != nil {
		trouble += "\n\nThe same history again: go test " + again[1] + " " + again[2]
	}
	return histories, trouble
}

var reproduce = regexp.MustCompile(`specify (-run="[^"]*").*(-rapid\.seed=\d+)`)

// quiet keeps rapid's reports back, for one at the caller's line.
type quiet struct {
	testing.TB
	failed bool
	errors []string
}

func (q *quiet) Log(...any)                        {}
func (q *quiet) Logf(string, ...any)               {}
func (q *quiet) Fail()                             { q.failed = true }
func (q *quiet) FailNow()                          { q.failed = true }
func (q *quiet) Failed() bool                      { return q.failed }
func (q *quiet) Error(args ...any)                 { q.failed, q.errors = true, append(q.errors, fmt.Sprint(args...)) }
func (q *quiet) Errorf(format string, args ...any) { q.Error(fmt.Sprintf(format, args...)) }
