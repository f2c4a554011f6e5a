package eventustest

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// law is a sentence that holds for every aggregate, whatever it is about. It is
// what a failing test begins with, and all that tells one failure from another
// while a counter-example is made smaller: details change from run to run.
type law string

const (
	lawStored   law = "an event comes back from the store as it was recorded"
	lawCommand  law = "a command refuses by an error, and does not panic"
	lawRefused  law = "a refused command leaves events and state as they were"
	lawEvents   law = "only events change the state"
	lawReplay   law = "a replay of the stored events gives the state that the command left"
	lawMemory   law = "an aggregate remembers its state and nothing else"
	lawApplies  law = "Apply does not fail"
	lawPure     law = "Apply does not write to its event"
	lawAlias    law = "Apply keeps no reference into an event that a later Apply writes through"
	lawApart    law = "two aggregates share nothing"
	lawSame     law = "Apply gives the same state for the same events"
	lawTimeless law = "Apply reads no clock"
	lawUsed     law = "Apply uses every field of its event"
	lawSnapshot law = "a snapshot and the events after it give the state of a full replay"
	lawRetry    law = "a command that is retried after a conflict decides on fresh state"
	lawRace     law = "of two writers on one version one wins"
	lawUpcast   law = "an upcaster loses no field"
	lawHolds    law = "an invariant holds"
	lawOnce     law = "a read model depends on its events alone, each taking effect once"
	lawRebuild  law = "a read model that is built anew is the one that was there"
)

// violation is a broken law, with what shows it. A nil one is none.
type violation struct {
	law    law
	detail string
	slow   bool // it takes so long to show that no smaller history is sought
}

func broken(l law, format string, args ...any) *violation {
	return &violation{law: l, detail: strings.TrimRight(fmt.Sprintf(format, args...), "\n")}
}

// Error returns the sentence and what shows that it does not hold.
func (v *violation) Error() string { return fmt.Sprintf("law broken: %s\n%s", v.law, v.detail) }

// recovered calls f and returns its panic as text, with the calls that led to it;
// empty when there was none.
func recovered(f func()) (panicked string) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprintf("%v\n%s", p, callers(string(debug.Stack())))
		}
	}()
	f()
	return ""
}

// callers cuts a stack to the calls between the panic and this package.
func callers(stack string) string {
	lines := strings.Split(stack, "\n")
	from, to := 0, len(lines)
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") {
			from = i + 2
		}
		if from > 0 && i > from && strings.Contains(line, "/eventustest.") && to == len(lines) {
			to = i
		}
	}
	return strings.Join(lines[from:to], "\n")
}
