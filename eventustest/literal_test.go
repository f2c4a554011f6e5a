package eventustest_test

import (
	"go/parser"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/store"
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
