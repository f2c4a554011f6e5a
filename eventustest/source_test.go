package eventustest_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"pgregory.net/rapid"
)

type pair[T any] struct{ A, B T }

type ring struct {
	Name       string
	Next, Last *ring
}

func circle() *ring {
	a, b, c := &ring{Name: "a"}, &ring{Name: "b"}, &ring{Name: "c"}
	a.Next, b.Next, c.Next = b, c, a
	a.Last, b.Last, c.Last = c, a, b
	return a
}

var errNo = errors.New("no")

func refuse(a *account) error { a.Record(renamed{"x"}); return errNo }

func refuseAny[T any](a *account, _ T) error { return refuse(a) }

func (a *account) Blank(names []string) error { names[0] = ""; return refuse(a) }

func (a *account) Take(any) error { return refuse(a) }

func (a *account) TakeError(error) error { return refuse(a) }

func (a *account) TakePair(pair[pair[renamed]]) error { return refuse(a) }

func (a *account) TakeFloat(float32) error { return refuse(a) }

func (a *account) TakeGroup(struct{ Name word }) error { return refuse(a) }

var refusal = func(a *account) error { return refuse(a) }

func refusing(err error) func(*account) error {
	return func(a *account) error { _ = refuse(a); return err }
}

// viaHelper hides the command from the place of Do.
func viaHelper(command func(*account) error) eventustest.Command[*account] {
	return eventustest.Do(command)
}

// openClosed opens a read model that refuses every event and has nothing to read.
func openClosed(testing.TB) eventustest.ReadModel[*memory.Tx, event, row] {
	return eventustest.Projection(memory.New(), consume.HandlerFunc[*memory.Tx, event](func(context.Context, *memory.Tx, eventus.Message[event]) error { return errNo }),
		func(context.Context, string) (row, error) { return row{}, errNo })
}

// What is printed compiles in its file, and says what the check did.
func TestACounterExampleIsWrittenInTheWordsOfItsPlace(t *testing.T) {
	check := typeChecker(t)
	for name, c := range map[string]failing{
		"the second literal of a line": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do(func(a *account) error { return nil }), eventustest.Do(func(a *account) error { return refuse(a) }))
			},
			[]string{"When(func(a *account) error { return refuse(a) })"}},
		"a literal whose first statement is on another line": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do(
					func(
						a *account,
					) error {
						return refuse(a)
					}))
			},
			[]string{"When(func(\n", "a *account,\n"}},
		"a variable":       {func(t testing.TB) { eventustest.Check(t, accounts, eventustest.Do(refusal)) }, []string{"When(refusal)"}},
		"what is returned": {func(t testing.TB) { eventustest.Check(t, accounts, eventustest.Do(refusing(errNo))) }, []string{"When(refusing(errNo))"}},
		"a generic function": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1(refuseAny[word], rapid.Just(word("w"))))
			},
			[]string{`return refuseAny[word](a, word("w"))`}},
		"a command from a helper": {func(t testing.TB) { eventustest.Check(t, accounts, viaHelper(refuse)) }, []string{"When(refuse)"}},
		"an argument that is written to": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).Blank, rapid.Just([]string{"x"})))
			},
			[]string{`a.Blank([]string{"x"})`}},
		"a generic type": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).TakePair, rapid.Just(pair[pair[renamed]]{A: pair[renamed]{A: renamed{"n"}}})))
			},
			[]string{`a.TakePair(pair[pair[renamed]]{A: pair[renamed]{A: renamed{Name: "n"}}})`}},
		"a type without a name": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).TakeGroup, rapid.Just(struct{ Name word }{"n"})))
			},
			[]string{`struct{ Name word }{Name: "n"}`}},
		"no number": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).TakeFloat, rapid.Just(float32(math.NaN()))))
			},
			[]string{"a.TakeFloat(float32(math.NaN()))"}},
		"what no expression makes": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).TakeError, rapid.Just(errNo)))
			},
			[]string{`a.TakeError(*new(error) /* replace by: &errors.errorString{s: "no"} */)`}},
		"a cycle": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).Take, rapid.Just[any](circle())))
			},
			[]string{"a.Take(*new(interface{}) /* replace by: "}},
		"the second invariant of a line": {
			func(t testing.TB) {
				eventustest.LawsOf(accounts, eventustest.Do1((*account).Open, words)).Invariant(func(s state) error { return nil }).Invariant(func(s state) error { return errNo }).Check(t)
			},
			[]string{"if err := func(s state) error { return errNo }(got); err != nil"}},
		"a projection that refuses its first event": {
			func(t testing.TB) {
				eventustest.CheckProjection(t, accounts, openClosed, eventustest.Do1((*account).Open, words))
			},
			[]string{".ThenModel(func(testing.TB, row) {})"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want = append(c.want, "As a test, for source_test.go:\n")
			c.check(t)
			_, test, _ := strings.Cut(fatalOf(t, c.test), "source_test.go:\n")
			test, _, _ = strings.Cut(test, "The same history again")
			if err := check(test); err != nil {
				t.Errorf("does not compile: %v\n%s", err, test)
			}
		})
	}
}

func TestALocalDefinitionIsNamed(t *testing.T) {
	d := eventus.Define("account", eventus.New[account], eventus.Type[opened]("account.opened"), eventus.Type[renamed]("account.renamed"))
	failing{func(t testing.TB) { eventustest.Check(t, d, eventustest.Do(refuse)) },
		[]string{"// d is the definition of \"account\" at source_test.go:", "eventustest.For(t, d)"}}.check(t)
}

func TestTheSameHistoryIsNamedByItsSeed(t *testing.T) {
	said := fatalOf(t, func(t testing.TB) { eventustest.Check(t, accounts, eventustest.Do(refuse)) })
	_, again, _ := strings.Cut(said, "The same history again: ")
	if !regexp.MustCompile(`^go test -run="[^"]+" -rapid\.seed=\d+$`).MatchString(again) {
		t.Errorf("got %q, want the test and the seed", again)
	}
}

func TestPackagesGoByTheImportsOfTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x_test.go")
	if err := os.WriteFile(file, []byte("package x_test\n\nimport clock \"time\"\n\nvar _ clock.Time\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value   any
		want    string
		missing string
	}{
		{time.Second, "clock.Duration(1000000000)", ""},
		{math.NaN(), "math.NaN()", "math"},
		{store.Stream{}, "store.Stream{}", "github.com/eventus-go/eventus/store"},
		{[]any{store.Stream{}, math.NaN()}, "[]interface {}{store.Stream{}, math.NaN()}", "github.com/eventus-go/eventus/store math"},
	} {
		text, missing := eventustest.Written(file, "example.test/x_test.TestX", c.value)
		if text != c.want || strings.Join(missing, " ") != c.missing {
			t.Errorf("got %s with %q, want %s with %q", text, missing, c.want, c.missing)
		}
	}
	for path, want := range map[string]string{
		"example.test/rules-go": "rules", "example.test/dot.v3": "dot", "example.test/rules/v2": "rules", "example.test/go-rules": "rules", "time": "time",
	} {
		if got := eventustest.PackageNames(path)[0]; got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// typeChecker returns a check of this package with one more test in the file.
func typeChecker(t *testing.T) func(test string) error {
	out, err := exec.Command("go", "list", "-export", "-deps", "-test", "-f", "{{.ImportPath}} {{.Export}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		// One that was compiled for the test has its name in between.
		if f := strings.Fields(line); len(f) == 3 || len(f) == 2 && exports[f[0]] == "" {
			exports[f[0]] = f[len(f)-1]
		}
	}
	set := token.NewFileSet()
	imports := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
	names, _ := filepath.Glob("*_test.go")
	return func(test string) error {
		var files []*ast.File
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if name == "source_test.go" {
				text = append(text, test...)
			}
			file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if file.Name.Name == "eventustest_test" {
				files = append(files, file)
			}
		}
		config := types.Config{Importer: imports, GoVersion: "go1.26"}
		_, err := config.Check("eventustest_test", set, files, nil)
		return err
	}
}

func TestAReportWithoutTheSourceSaysSo(t *testing.T) {
	want := "As a test, with the names of packages, as its file was not found:\n\neventustest.For"
	if got := eventustest.ReportAt(filepath.Join(t.TempDir(), "gone_test.go")); !strings.HasSuffix(got, want) {
		t.Errorf("got %q", got)
	}
}
