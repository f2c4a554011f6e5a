package eventustest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/eventus-go/eventus/store"
)

// sentence is a scenario as it is written at a place: calls on one value, each on
// a line of its own. Events that follow each other are in one Given.
type sentence struct {
	*source
	lines, events []string
}

func (s *sentence) call(format string, args ...any) {
	s.flush()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// given adds an event. One that was not read, or that no expression at the place
// makes, is given as it is stored.
func (s *sentence) given(event any, declared reflect.Type, stored store.Event, read bool) {
	if !read || !s.writable(event) {
		s.call("GivenStored(%q, %s)", stored.Type, quoted(string(stored.Data)))
		return
	}
	s.events = append(s.events, s.expression(event, declared))
}

func (s *sentence) flush() {
	switch len(s.events) {
	case 0:
		return
	case 1:
		s.lines = append(s.lines, "Given("+s.events[0]+")")
	default:
		s.lines = append(s.lines, "Given(\n"+strings.Join(s.events, ",\n")+",\n)")
	}
	s.events = nil
}

func (s *sentence) text() string {
	s.flush()
	return strings.Join(s.lines, ".\n")
}

// quoted writes a text as a raw string where that can be.
func quoted(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}
