package eventustest_test

import (
	"go/parser"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

type shapes struct {
	N      int8
	F      float64
	List   []string
	None   []string
	Map    map[string]int
	Ptr    *int
	At     time.Time
	Any    any
	Nested struct{ X bool }
	Wait   time.Duration
	Name   word
	Stream store.Stream
}

func TestValuesAreWrittenAsGo(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "nil"},
		{1, "1"},
		{int64(1), "int64(1)"},
		{"a\n", `"a\n"`},
		{word("a"), `word("a")`},
		{1.5, "float64(1.5)"},
		{time.Second, "time.Duration(1000000000)"},
		{[]byte{1}, "[]uint8{1}"},
		{[]string(nil), "[]string(nil)"},
		{map[word][]int{"b": {1}, "a": nil}, `map[word][]int{"a": nil, "b": []int{1}}`},
		{[2]bool{true}, "[2]bool{true, false}"},
		{(*int)(nil), "(*int)(nil)"},
		{new(5), "new(5)"},
		{&picky{"x"}, `&picky{Word: "x"}`},
		{shapes{}, "shapes{}"},
		{shapes{N: -1, List: []string{"a"}, Map: map[string]int{"a": 1}, Ptr: new(2), Any: int64(3), Wait: 4, Name: "n"},
			`shapes{N: -1, List: []string{"a"}, Map: map[string]int{"a": 1}, Ptr: new(2), Any: int64(3), Wait: 4, Name: "n"}`},
		{shapes{Stream: store.Stream{ID: "x"}}, `shapes{Stream: store.Stream{ID: "x"}}`},
		{time.Time{}, "time.Time{}"},
		{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), "time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)"},
		{time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("CET", 3600)), `time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("CET", 3600))`},
		{math.NaN(), "math.NaN()"},
		{math.Inf(-1), "math.Inf(-1)"},
		{float32(math.Inf(1)), "float32(math.Inf(1))"},
		{shapes{F: math.Inf(1)}, "shapes{F: math.Inf(1)}"},
		{math.Copysign(0, -1), "math.Copysign(0, -1)"},
		{pair[*store.Stream]{}, "pair[*store.Stream]{}"},
		{pair[[]time.Time]{A: []time.Time{}}, "pair[[]time.Time]{A: []time.Time{}}"},
		{time.UTC, "time.UTC"},
		{time.FixedZone("CET", 3600), `*new(*time.Location) /* replace by: time.Location("CET") */`},
		{secret{"own fields can be written"}, `secret{name: "own fields can be written"}`},
	} {
		got := eventustest.Literal(c.value)
		if got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if _, err := parser.ParseExpr(got); err != nil {
			t.Errorf("%s is no expression: %v", got, err)
		}
	}
}

// What refers to itself is written in the time of its size, and the same again.
func TestWhatRefersToItselfIsWrittenOnce(t *testing.T) {
	type node struct {
		Name  string
		Peers []*node
		Named map[string]*node
	}
	nodes := []*node{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	for _, n := range nodes {
		n.Peers, n.Named = nodes, map[string]*node{"a": nodes[0], "b": nodes[1], "c": nodes[2]}
	}
	first := eventustest.Fingerprint(nodes[0])
	if len(first) > 1000 || !strings.Contains(first, "&#1") {
		t.Errorf("got %d bytes, want a short text with &#1:\n%.1000s", len(first), first)
	}
	for range 20 {
		if again := eventustest.Fingerprint(nodes[0]); again != first {
			t.Fatalf("-first\n%s\n+again\n%s", first, again)
		}
	}
	if text := eventustest.Literal(nodes[0]); !strings.Contains(text, "nil /* a cycle * /") || len(text) > 1<<17 {
		t.Errorf("got %d bytes, want a cycle that is told of:\n%.1000s", len(text), text)
	}
}

func TestTextsAreQuoted(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`: "`{\"a\":1}`", "a`b": "\"a`b\"", "a\r": `"a\r"`, "\xff": `"\xff"`, "\x00": `"\x00"`, "\ufeff": `"\ufeff"`,
	} {
		if got := eventustest.Quoted(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// A command that writes to its argument writes to a copy.
func TestACommandHasArgumentsOfItsOwn(t *testing.T) {
	names := []string{"x"}
	eventustest.Run(eventustest.Do1((*account).Blank, rapid.Just(names)), new(account))
	if names[0] != "x" {
		t.Errorf("the argument is %q for the next call", names)
	}
}
