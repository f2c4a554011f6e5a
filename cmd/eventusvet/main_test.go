package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/vet"
)

func TestUnderGoVet(t *testing.T) {
	tool := build(t)
	t.Run("each analyzer finds what it is for", func(t *testing.T) {
		for _, analyzer := range vet.Analyzers {
			out, err := inRoot("go", "vet", "-vettool="+tool, "-"+analyzer.Name, "./vet/testdata/"+analyzer.Name)
			if err == nil || !strings.Contains(out, want[analyzer.Name]) {
				t.Errorf("%s: %v, want %q in\n%s", analyzer.Name, err, want[analyzer.Name], out)
			}
		}
	})
	t.Run("nothing is found in this repository", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short: it compiles all packages")
		}
		if out, err := inRoot("go", "vet", "-vettool="+tool, "./..."); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestAlone(t *testing.T) {
	out, err := inRoot(build(t), "./vet/testdata/outside")
	if err == nil || !strings.Contains(out, want["outside"]) {
		t.Errorf("%v, want %q in\n%s", err, want["outside"], out)
	}
}

// want has a finding of each analyzer; that of impure crosses packages.
var want = map[string]string{
	"impure":   "Apply uses stamp.Now, which reads the clock (time.Now)",
	"lossy":    "Lost.note is unexported",
	"outside":  "Record outside of the methods of Account",
	"unlisted": "Sent is an event of Order and not in its definition",
}

func build(t *testing.T) (tool string) {
	t.Helper()
	tool = filepath.Join(t.TempDir(), "eventusvet")
	// Without the stamp of the commit, go vet knows what it has seen.
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return tool
}

func inRoot(name string, args ...string) (output string, err error) {
	command := exec.Command(name, args...)
	command.Dir = filepath.Join("..", "..")
	out, err := command.CombinedOutput()
	return string(out), err
}
