package eventustest

import (
	"fmt"
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
		sentence := l.begin(s)
		sentence = append(sentence, givenCalls(s, newTrial(l.definition, ID), given)...)
		if call != nil {
			sentence = append(sentence, "When("+call.write(s)+")")
		}
		if invariant == nil {
			sentence = append(sentence, "ThenLaws()")
		} else {
			t, holds, subject := reflect.TypeFor[S](), s.invariant(invariant), "state"
			if usesState.MatchString(holds) {
				subject = "got" // not to hide a type of that name
			}
			sentence = append(sentence, fmt.Sprintf("ThenState(func(t %s, %s %s) {\n\tif err := %s; err != nil {\n\t\tt.Error(err)\n\t}\n})",
				s.qualified("testing", "testing", "TB"), subject, s.printer().typeName(t), s.apply(holds, t, subject)))
		}
		return writeSentence(s, v.law, sentence)
	}}
}

var usesState = regexp.MustCompile(`\bstate\b`)

// begin writes For, with what the laws are told to leave out.
func (l *Laws[S, E, A]) begin(s *source) []string {
	for _, c := range l.commands {
		s.siblings = append(s.siblings, c.function)
	}
	for _, holds := range l.invariants {
		s.siblings = append(s.siblings, holds)
	}
	calls := []string{fmt.Sprintf("%s(t, %s)", s.ours("For"), s.definition(l.definition.Category()))}
	if l.withoutSnapshots {
		calls = append(calls, "WithoutSnapshots()")
	}
	for _, d := range l.dropped.sorted() {
		calls = append(calls, fmt.Sprintf("Drops(%q, %q)", d.event, d.path))
	}
	return calls
}

// writeSentence puts the calls of one sentence into a test.
func writeSentence(s *source, l law, calls []string) string {
	return writeTest(s, l, chain(calls))
}

// chain writes calls on one value, each on a line of its own.
func chain(calls []string) string {
	return calls[0] + strings.ReplaceAll(strings.Join(append([]string{""}, calls[1:]...), ".\n"), "\n", "\n\t")
}

// writeTest writes a test, with what a reader has to know above it, and below it
// what its file has to import.
func writeTest(s *source, l law, body string) string {
	test := fmt.Sprintf("func %s(t *%s) {\n\t%s\n}", l.testName(), s.qualified("testing", "testing", "T"), strings.ReplaceAll(body, "\n", "\n\t"))
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

// givenCalls writes stored events as arguments of Given, and those that the
// place has no expression for as they are stored.
func givenCalls[S any, E interface{ Apply(*S) }, A Aggregate[S, E]](s *source, tr *trial[S, E, A], given []store.Event) []string {
	var calls, literals []string
	flush := func() {
		if len(literals) > 0 {
			calls = append(calls, "Given(\n\t"+strings.Join(literals, ",\n\t")+",\n)")
			literals = nil
		}
	}
	for _, e := range given {
		event, err := tr.decode(e)
		if err == nil && s.writable(event) {
			literals = append(literals, s.expression(event, reflect.TypeFor[E]()))
			continue
		}
		flush()
		calls = append(calls, fmt.Sprintf("GivenStored(%q, %s)", e.Type, quoted(string(e.Data))))
	}
	flush()
	return calls
}

// quoted writes a text as a raw string where that can be.
func quoted(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
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
