package eventustest

import (
	"fmt"
	"reflect"
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
			sentence = append(sentence, fmt.Sprintf("ThenState(func(t %s, state %s) {\n\tif err := %s; err != nil {\n\t\tt.Error(err)\n\t}\n})",
				s.qualified("testing", "testing", "TB"), s.name(reflect.TypeFor[S]()), s.call(invariant, "state")))
		}
		return writeSentence(s, v.law, sentence)
	}}
}

// begin writes For, with what the laws are told to leave out.
func (l *Laws[S, E, A]) begin(s *source) []string {
	calls := []string{fmt.Sprintf("%s(t, %s)", s.ours("For"), s.definition())}
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

func writeTest(s *source, l law, body string) string {
	return fmt.Sprintf("func %s(t *%s) {\n\t%s\n}", l.testName(), s.qualified("testing", "testing", "T"), strings.ReplaceAll(body, "\n", "\n\t"))
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
			literals = append(literals, s.expression(event))
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
	if strings.ContainsAny(text, "`\r") {
		return fmt.Sprintf("%q", text)
	}
	return "`" + text + "`"
}

// write returns the call as a decision for When.
func (c *call[A]) write(s *source) string {
	if len(c.args) == 0 {
		return s.callable(c.function)
	}
	aggregate := printer{name: s.name}.typeName(reflect.TypeFor[A]())
	return fmt.Sprintf("func(a %s) error { return %s }", aggregate, s.call(c.function, "a", c.args...))
}
