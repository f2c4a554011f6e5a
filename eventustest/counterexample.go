package eventustest

import (
	"fmt"
	"go/format"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/eventus-go/eventus/store"
)

// failure writes a broken law as the scenario that shows it: the events before,
// and the command, if there is one, that comes to them.
func (l *Laws[S, E, A]) failure(v *violation, given []store.Event, call *call[A], invariant func(S) error) *failure {
	return &failure{v, func(s *source) string {
		scenario := l.scenario(s, given)
		if call != nil {
			scenario.call("When(%s)", call.write(s))
		}
		if invariant == nil {
			scenario.call("ThenLaws()")
		} else {
			t, holds, subject := reflect.TypeFor[S](), s.invariant(invariant), "state"
			if usesState.MatchString(holds) {
				subject = "got" // not to hide a type of that name
			}
			scenario.call("ThenState(func(t %s, %s %s) {\nif err := %s; err != nil {\nt.Error(err)\n}\n})",
				s.qualified("testing", "testing", "TB"), subject, s.printer().typeName(t), s.apply(holds, t, subject))
		}
		return writeTest(s, v.law, scenario.text())
	}}
}

var usesState = regexp.MustCompile(`\bstate\b`)

// scenario begins a scenario with what the laws are told to leave out, and the
// events before.
func (l *Laws[S, E, A]) scenario(s *source, given []store.Event) *sentence {
	for _, c := range l.commands {
		s.siblings = append(s.siblings, c.function)
	}
	for _, holds := range l.invariants {
		s.siblings = append(s.siblings, holds)
	}
	scenario := &sentence{source: s}
	scenario.call("%s(t, %s)", s.ours("For"), s.definition(l.definition.Category()))
	if l.withoutSnapshots {
		scenario.call("WithoutSnapshots()")
	}
	for _, d := range l.dropped.sorted() {
		scenario.call("Drops(%q, %q)", d.event, d.path)
	}
	tr := newTrial(l.definition, ID)
	for _, stored := range given {
		event, err := tr.decode(stored)
		scenario.given(event, reflect.TypeFor[E](), stored, err == nil)
	}
	return scenario
}

// writeTest writes a test, with what a reader has to know above it, and below it
// what its file has to import.
func writeTest(s *source, l law, body string) string {
	test := fmt.Sprintf("func %s(t *%s) {\n%s\n}", l.testName(), s.qualified("testing", "testing", "T"), body)
	if formatted, err := format.Source([]byte(test)); err == nil {
		test = string(formatted)
	}
	for _, note := range slices.Backward(s.notes) {
		test = "// " + note + "\n" + test
	}
	if len(s.missing) == 0 {
		return test
	}
	imports := slices.Sorted(maps.Keys(s.missing))
	for i, path := range imports {
		imports[i] = strconv.Quote(path)
	}
	return test + "\n\n// imports: " + strings.Join(imports, ", ")
}

// write returns the call as a decision for When.
func (c *call[A]) write(s *source) string {
	function := s.command(c.function, c.at)
	if len(c.args) == 0 {
		return function
	}
	t := reflect.TypeFor[A]()
	args := make([]string, len(c.args))
	for i, a := range c.args {
		args[i] = s.expression(a.value, a.declared)
	}
	return fmt.Sprintf("func(a %s) error { return %s }", s.printer().typeName(t), s.apply(function, t, "a", args...))
}
