package eventus_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/google/go-cmp/cmp"
)

func TestAZeroAggregateWorksAlone(t *testing.T) {
	var c counter
	if c.Version() != 0 || c.ID() != "" {
		t.Fatalf("version %d, id %q", c.Version(), c.ID())
	}
	if err := c.Add(2); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(3); err != errOdd {
		t.Fatalf("got %v", err)
	}
	if err := c.Add(4); err != nil {
		t.Fatal(err)
	}
	if c.State().Total != 6 || c.Version() != 2 {
		t.Errorf("total %d at version %d, want 6 at 2", c.State().Total, c.Version())
	}
	if diff := cmp.Diff([]countEvent{added{By: 2}, added{By: 4}}, c.Recorded()); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

func TestRecordedIsACopy(t *testing.T) {
	var c counter
	c.Record(added{By: 2})
	c.Recorded()[0] = cleared{}
	if diff := cmp.Diff([]countEvent{added{By: 2}}, c.Recorded()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

//eventusvet:ignore unlisted Record must refuse it
type unlisted struct{}

func (unlisted) Apply(*counted) {}

func TestRecordRefusesWhatTheDefinitionDoesNotList(t *testing.T) {
	repository := eventus.NewRepository(memory.New(), counters)
	for name, event := range map[string]countEvent{
		"another type":           unlisted{},
		"a pointer to a type":    &added{By: 2},
		"an event that is nil":   nil,
		"a nil pointer, no less": (*added)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			c := repository.New("a")
			got := panicOf(func() { c.Record(event) })
			if !strings.Contains(got, "not in its definition") || !strings.Contains(got, "eventus.Type[") {
				t.Errorf("got %q, want a panic with the cure", got)
			}
			if c.Version() != 0 {
				t.Errorf("something was recorded: version %d", c.Version())
			}
		})
	}
}

func panicOf(f func()) (message string) {
	defer func() {
		if p := recover(); p != nil {
			message = fmt.Sprint(p)
		}
	}()
	f()
	return ""
}
