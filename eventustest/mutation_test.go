package eventustest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each fault is found by the harness with commands, generators and the contract
// of the correct copy alone, and what it prints is a test that fails where the
// fault is, and passes where it is not. Each run takes some of the faults by
// chance, EVENTUS_FAULTS of them; make faults takes all.
func TestEveryFaultIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("without -short it compiles and runs two programs for each fault")
	}
	chosen := chooseFaults(t)
	c := newCopies(t)
	c.write("correct", nil)
	for _, i := range chosen {
		c.write(copyName(i), mutants[i].edits)
	}
	found := c.test("TestLaws", "TestViews", "TestContract")
	if v := found["correct"]; v.failed {
		t.Fatalf("the correct copy is found faulty:\n%s", v.output)
	}
	for _, i := range chosen {
		m, v := mutants[i], found[copyName(i)]
		failure := v.of(m.test)
		if !regexp.MustCompile(m.law).MatchString(failure) || !strings.Contains(failure, "laws.go:") {
			t.Errorf("%s: %s does not find it by %q:\n%s", m.name, m.test, m.law, v.output)
			continue
		}
		law := regexp.MustCompile(`law broken: (.*)`).FindStringSubmatch(failure)
		if law == nil {
			t.Logf("%s: %s, %s", m.name, m.test, v.took(m.test))
			continue
		}
		t.Logf("%s: %s, %s", m.name, law[1], v.took(m.test))
		pasted := pasteable(failure)
		if pasted == "" {
			t.Errorf("%s: no test is printed:\n%s", m.name, failure)
			continue
		}
		c.paste(copyName(i), pasted, "TestPasted")
		if !m.alone {
			c.paste("correct", pasted, fmt.Sprintf("TestPasted%02d", i))
		}
	}
	if t.Failed() {
		return
	}
	again := c.test("TestPasted")
	if v := again["correct"]; v.failed || !strings.Contains(v.output, "--- PASS: TestCopies/correct/TestPasted") {
		t.Errorf("a counter-example fails where the fault is not:\n%s", v.output)
	}
	for _, i := range chosen {
		m := mutants[i]
		if v := again[copyName(i)]; found[copyName(i)].printed(m.test) && !v.failed {
			t.Errorf("%s: what was printed does not fail as a test:\n%s", m.name, v.output)
		}
	}
}

// chooseFaults returns the places of the faults of this run.
func chooseFaults(t *testing.T) []int {
	n := 8
	if asked, err := strconv.Atoi(os.Getenv("EVENTUS_FAULTS")); err == nil {
		n = asked
	}
	chosen := rand.Perm(len(mutants))[:min(n, len(mutants))]
	slices.Sort(chosen)
	t.Logf("faults %v of %d", chosen, len(mutants))
	return chosen
}

func copyName(i int) string { return fmt.Sprintf("m%02d", i) }

// pasteable returns the test that a failure prints, as it is when it is pasted.
func pasteable(failure string) string {
	_, after, _ := strings.Cut(failure, "As a test, for laws.go:\n")
	test := regexp.MustCompile(`(?ms)^ *func Test.*?^ *\}$`).FindString(after)
	return regexp.MustCompile(`(?m)^    {4}`).ReplaceAllString(test, "")
}

// copies is a module with copies of package order, and of its tests as ordinary
// packages, so that one binary runs them all.
type copies struct {
	t     *testing.T
	dir   string
	names []string
	tests map[string][]string // the pasted ones of each copy
}

func newCopies(t *testing.T) *copies {
	c := &copies{t: t, dir: t.TempDir(), tests: make(map[string][]string)}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// The requirements are those of this module, whose sums are at hand.
	mod := regexp.MustCompile(`(?m)^module .*$`).ReplaceAllString(c.read(filepath.Join(root, "go.mod")), "module faulty.test")
	c.put("go.mod", fmt.Sprintf("%s\nrequire github.com/eventus-go/eventus v0.0.0\nreplace github.com/eventus-go/eventus => %s\n", mod, root))
	c.put("go.sum", c.read(filepath.Join(root, "go.sum")))
	c.put(golden, c.read(filepath.Join(original, golden)))
	return c
}

const original = "internal/order"

var golden = filepath.Join("testdata", "order.golden")

func (c *copies) read(path string) string {
	c.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

func (c *copies) put(path, text string) {
	c.t.Helper()
	path = filepath.Join(c.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// write writes a copy of the package with edits.
func (c *copies) write(name string, edits []string) {
	c.t.Helper()
	c.names = append(c.names, name)
	texts := map[string]string{}
	files := []string{"order.go", "views.go"}
	for _, file := range files {
		texts[file] = c.read(filepath.Join(original, file))
	}
	for i := 0; i < len(edits); i += 2 {
		edited := false
		for _, file := range files {
			if !edited && strings.Contains(texts[file], edits[i]) {
				texts[file] = strings.ReplaceAll(texts[file], edits[i], edits[i+1])
				edited = true
			}
		}
		if !edited {
			c.t.Fatalf("%s: package order has no %q to be replaced", name, edits[i])
		}
	}
	for file, text := range texts {
		c.put(filepath.Join(name, file), text)
	}
	test := strings.NewReplacer(
		"package order_test", "package tests",
		"github.com/eventus-go/eventus/eventustest/internal/order", "faulty.test/"+name,
	).Replace(c.read(filepath.Join(original, "laws_test.go")))
	c.put(filepath.Join(name, "tests", "laws.go"), test)
}

// paste adds a test to the file that printed it.
func (c *copies) paste(name, test, testName string) {
	c.t.Helper()
	file := filepath.Join(name, "tests", "laws.go")
	named := regexp.MustCompile(`func Test\w+`).ReplaceAllString(test, "func "+testName)
	// Without the checks themselves, most of which the compiler makes anew for
	// each copy.
	rest := regexp.MustCompile(`(?m)^func Test(Laws|Views|Contract)\(.*$`).ReplaceAllString(c.read(filepath.Join(c.dir, file)), "")
	c.put(file, rest+"\n"+named+"\n")
	c.tests[name] = append(c.tests[name], testName)
}

// verdict is what the tests of a copy said.
type verdict struct {
	failed bool
	output string
}

// of returns what one test said.
func (v verdict) of(test string) string {
	_, after, found := strings.Cut(v.output, "/"+test+"\n")
	if !found {
		return ""
	}
	before, _, _ := strings.Cut(after, "=== RUN")
	return before
}

// printed reports whether a test printed a test.
func (v verdict) printed(test string) bool { return pasteable(v.of(test)) != "" }

func (v verdict) took(test string) string {
	took := regexp.MustCompile(`--- FAIL: \S+/` + test + ` \((.*)\)`).FindStringSubmatch(v.output)
	if took == nil {
		return ""
	}
	return took[1]
}

// test runs tests of all copies, or those that were pasted.
func (c *copies) test(tests ...string) map[string]verdict {
	c.t.Helper()
	var imports, calls strings.Builder
	for _, name := range c.names {
		run := tests
		if tests[0] == "TestPasted" {
			run = c.tests[name]
		}
		if len(run) == 0 {
			continue
		}
		fmt.Fprintf(&imports, "\t%s \"faulty.test/%[1]s/tests\"\n", name)
		for _, test := range run {
			fmt.Fprintf(&calls, "\tt.Run(\"%s/%s\", %[1]s.%[2]s)\n", name, test)
		}
	}
	c.put("copies_test.go", fmt.Sprintf("package faulty_test\n\nimport (\n\t\"testing\"\n\n%s)\n\nfunc TestCopies(t *testing.T) {\n%s}\n", &imports, &calls))
	test := exec.Command("go", "test", "-mod=mod", "-vet=off", "-v", ".")
	test.Dir = c.dir
	out, _ := test.CombinedOutput() // fails, as most copies do
	verdicts := make(map[string]verdict)
	name := ""
	for line := range strings.Lines(string(out)) {
		if begins := regexp.MustCompile(`^(?:=== RUN   | +--- (?:FAIL|PASS): )TestCopies/(\w+)/`).FindStringSubmatch(line); begins != nil {
			name = begins[1]
		}
		if name != "" {
			v := verdicts[name]
			v.failed = v.failed || strings.Contains(line, "--- FAIL: TestCopies/"+name)
			v.output += line
			verdicts[name] = v
		}
	}
	if len(verdicts) == 0 {
		c.t.Fatalf("go test:\n%s", out)
	}
	return verdicts
}
