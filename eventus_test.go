package eventus_test

import (
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
)

type sealedEvent interface {
	eventus.Event[counted]
	sealed()
}

type sealedCounter struct {
	eventus.Aggregate[counted, sealedEvent]
}

func TestDefineRefusesWhatTheCompilerCannotSee(t *testing.T) {
	type old struct{}
	added1 := eventus.Type[added]("counter.added")
	for _, c := range []struct {
		name   string
		define func()
		want   string
	}{
		{"no events", func() { eventus.Define("counter", eventus.New[counter]) },
			"define counter: no events; add a line for each"},
		{"only an upcast", func() {
			eventus.Define("counter", eventus.New[counter], eventus.Upcast("old", func(old) added { return added{} }))
		}, "add Type[eventus_test.added]"},
		{"an upcast to another type", func() {
			eventus.Define("counter", eventus.New[counter], added1, eventus.Upcast("old", func(old) cleared { return cleared{} }))
		}, "add Type[eventus_test.cleared]"},
		{"two types under one name", func() {
			eventus.Define("counter", eventus.New[counter], added1, eventus.Type[cleared]("counter.added"))
		}, `"counter.added" is the name of eventus_test.added and of eventus_test.cleared; give each its own`},
		{"an upcast under a current name", func() {
			eventus.Define("counter", eventus.New[counter], added1, eventus.Upcast("counter.added", func(old) added { return added{} }))
		}, `"counter.added" is the name of`},
		{"one type under two names", func() {
			eventus.Define("counter", eventus.New[counter], added1, eventus.Type[added]("counter.more"))
		}, "keep one, and read the other by Upcast"},
		{"an interface", func() { eventus.Define("counter", eventus.New[counter], eventus.Type[countEvent]("counter.any")) },
			"register the concrete event"},
		{"an event outside of a narrower E", func() { eventus.Define("counter", eventus.New[sealedCounter], added1) },
			`eventus_test.added, registered as "counter.added", is not a eventus_test.sealedEvent`},
		{"a pointer", func() { eventus.Define("counter", eventus.New[counter], eventus.Type[*added]("counter.added")) },
			`"counter.added" is registered for the pointer *eventus_test.added; events are values`},
		{"an upcast without a function", func() {
			eventus.Define("counter", eventus.New[counter], added1, eventus.Upcast[old, added]("old", nil))
		}, `upcast of "old" has no function`},
		{"no way to make an aggregate", func() { eventus.Define[counted, countEvent, *counter]("counter", nil, added1) },
			"give eventus.New"},
		{"a foreign event without a function", func() { eventus.Known[added, any]("a", nil) },
			`foreign event "a" has no function`},
		{"an empty name", func() { eventus.Define("counter", eventus.New[counter], eventus.Type[added]("")) },
			"event type: is empty"},
		{"a category that no subject can carry", func() { eventus.Define("coun.ter", eventus.New[counter], added1) },
			`category: "coun.ter" has '.'`},
		{"a foreign table without lines", func() { eventus.Foreign[any]("counter") },
			"no events"},
		{"a foreign name twice", func() {
			eventus.Foreign("counter",
				eventus.Known("a", func(e added) any { return e }),
				eventus.Known("a", func(e cleared) any { return e }))
		}, "give each its own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := panicOf(c.define); !strings.Contains(got, c.want) {
				t.Errorf("panic %q\nwant    %q", got, c.want)
			}
		})
	}
}

func TestDefinitionsDoNotMeet(t *testing.T) {
	// The same names, twice, in one process: a global registry would refuse.
	for range 2 {
		eventus.Define("counter", eventus.New[counter],
			eventus.Type[added]("counter.added"), eventus.Type[cleared]("counter.cleared"))
	}
}
