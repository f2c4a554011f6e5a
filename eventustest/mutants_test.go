package eventustest_test

// mutant is a deliberate fault in a copy of package order: one that compiles,
// and that services have had.
type mutant struct {
	name string
	test string // the test that finds it
	law  string // what its failure begins with, or has in it
	// edits are pairs of a text of order.go or views.go and what stands in its
	// place.
	edits []string
	// alone says that the counter-example is of no use where the fault is not:
	// the fault has changed a Go type, or what the read model ought to be.
	alone bool
}

var mutants = []mutant{
	// Apply.
	{name: "an Apply forgets a field", test: "TestLaws", law: "Apply uses every field of its event",
		edits: []string{`	s.Customer = e.Customer
`, ""}},
	{name: "an Apply does nothing", test: "TestLaws", law: "Apply uses every field of its event",
		edits: []string{"{ s.Placed = true }", "{}"}},
	{name: "an Apply forgets a part of a field", test: "TestLaws", law: "Apply uses every field of its event",
		edits: []string{`s.Total += e.Line.Price * e.Line.Quantity
`, `s.Total++
	s.Lines[len(s.Lines)-1].Price = 0
`}},
	{name: "the state keeps a slice of an event", test: "TestLaws", law: "Apply keeps no reference into an event",
		edits: []string{"s.Tags = slices.Clone(e.Tags)", "s.Tags = e.Tags"}},
	{name: "the state keeps a map of an event", test: "TestLaws", law: "Apply keeps no reference into an event",
		edits: []string{`		s.Codes = make(map[string]int64)
	}
	maps.Copy(s.Codes, e.Codes)`, `		s.Codes = e.Codes
		return
	}
	maps.Copy(s.Codes, e.Codes)`}},
	{name: "the state keeps a pointer of an event", test: "TestLaws", law: "Apply keeps no reference into an event",
		edits: []string{`	note := *e.Note
	s.Note = &note
}

// Apply changes the note.
func (e Edited) Apply(s *State) {
	s.Note = &Note{Text: e.Text, Edits: s.Note.Edits + 1}
`, `	s.Note = e.Note
}

// Apply changes the note.
func (e Edited) Apply(s *State) {
	s.Note.Text = e.Text
	s.Note.Edits++
`}},
	{name: "an Apply sorts its event's slice", test: "TestLaws", law: "Apply does not write to its event",
		edits: []string{"s.Tags = slices.Clone(e.Tags)", `slices.Sort(e.Tags)
	s.Tags = slices.Clone(e.Tags)`}},
	{name: "an Apply writes to its event's map", test: "TestLaws", law: "Apply does not write to its event",
		edits: []string{"maps.Copy(s.Codes, e.Codes)", `e.Codes[""] = 0
	maps.Copy(s.Codes, e.Codes)`}},
	{name: "an Apply reads the clock", test: "TestLaws", law: "a replay of the stored events gives the state",
		edits: []string{`	s.Opened = e.At
`, `	s.Opened = e.At.Add(time.Duration(time.Now().Nanosecond()))
`}},
	{name: "an Apply depends on the year it runs in", test: "TestLaws", law: "Apply reads no clock",
		edits: []string{`	s.Opened = e.At
`, `	s.Opened = e.At.AddDate(time.Now().Year()-2026, 0, 0)
`}},
	{name: "an Apply depends on the hour it runs in", test: "TestLaws", law: "Apply reads no clock",
		edits: []string{`	s.Opened = e.At
`, `	s.Opened = e.At.Add(time.Duration(time.Now().Hour()) * time.Hour)
`}},
	{name: "an Apply throws dice", test: "TestLaws", law: "gives the same state|a replay of the stored events gives the state",
		edits: []string{`	s.Opened = e.At
`, `	s.Opened = e.At.AddDate(0, 0, rand.IntN(2))
`, `	"errors"
`, `	"errors"
	"math/rand/v2"
`}},
	{name: "an Apply counts in a variable of the package", test: "TestLaws", law: "a replay of the stored events gives the state",
		edits: []string{"func (e Tagged) Apply(s *State) { s.Tags = append(s.Tags, e.Tag) }", `func (e Tagged) Apply(s *State) {
	applied++
	s.Tags = append(s.Tags, e.Tag)
	s.Total = applied
}

var applied int64`}},
	{name: "an Apply ranges over a map into a slice", test: "TestLaws", law: "gives the same state|a replay of the stored events gives the state",
		edits: []string{`	maps.Copy(s.Codes, e.Codes)
`, `	for code, n := range e.Codes {
		s.Codes[code] = n
		s.Tags = append(slices.Clone(s.Tags), code)
	}
`}},
	{name: "an Apply fails on a state that can be", test: "TestLaws", law: "a command refuses by an error, and does not panic",
		edits: []string{`	if s.Codes == nil {
		s.Codes = make(map[string]int64)
	}
`, ""}},
	{name: "all states share a map", test: "TestLaws", law: "a replay of the stored events gives the state|two aggregates share nothing|gives the same state",
		edits: []string{`		s.Codes = make(map[string]int64)
	}
	maps.Copy(s.Codes, e.Codes)
}
`, `		s.Codes = common
	}
	for code, n := range e.Codes {
		s.Codes[code] += n
	}
}

var common = make(map[string]int64)
`}},

	// Commands.
	{name: "a command records before it refuses", test: "TestLaws", law: "a refused command leaves events and state as they were",
		edits: []string{`	if !slices.ContainsFunc(o.State().Lines, func(l Line) bool { return l.SKU == sku }) {
		return ErrAbsent
	}
	o.Record(Removed{SKU: sku})
	return nil
`, `	there := slices.ContainsFunc(o.State().Lines, func(l Line) bool { return l.SKU == sku })
	o.Record(Removed{SKU: sku})
	if !there {
		return ErrAbsent
	}
	return nil
`}},
	{name: "a refused command has written to the state", test: "TestLaws", law: "a refused command leaves events and state as they were|a replay of the stored events gives the state",
		edits: []string{`	if line.SKU == ""`, `	if o.State().Codes != nil {
		o.State().Codes[line.SKU] = line.Price
	}
	if line.SKU == ""`}},
	{name: "a command changes the state without an event", test: "TestLaws", law: "only events change the state",
		edits: []string{`	if slices.Contains(o.State().Tags, tag) {
`, `	if slices.Contains(o.State().Tags, tag) {
		o.State().Tags[0] = tag + "!"
`}},
	{name: "a command panics", test: "TestLaws", law: "a command refuses by an error, and does not panic",
		edits: []string{`	if slices.Contains(o.State().Tags, tag) {
`, `	if o.State().Tags[0] == tag {
`}},
	{name: "an aggregate remembers what no event tells", test: "TestLaws", law: "an aggregate remembers its state and nothing else",
		edits: []string{`	eventus.Aggregate[State, Event]
`, `	eventus.Aggregate[State, Event]
	changes int
`, `	o.Record(Tagged{Tag: tag})
`, `	o.Record(Tagged{Tag: tag})
	o.changes++
`}},
	{name: "a command decides on what it saw at its first try", test: "TestLaws", law: "a command that is retried after a conflict decides on fresh state",
		edits: []string{`	if o.State().Note == nil {
`, `	state, ok := seen[o.ID()]
	if !ok {
		state = o.State()
		seen[o.ID()] = state
	}
	if state.Note == nil {
`, "// The reasons to refuse.", `var seen = make(map[string]State)

// The reasons to refuse.`}},
	{name: "all loads return one aggregate", test: "TestLaws", law: "returns the same one each time",
		edits: []string{"eventus.New[Order],", "func() *Order { return &only },", "// The reasons to refuse.", `var only Order

// The reasons to refuse.`}},
	{name: "an event is not in the definition", test: "TestLaws", law: "a command refuses by an error, and does not panic",
		edits: []string{`	eventus.Type[Noted]("order.noted"),
`, ""}},

	// The forms.
	{name: "a field is left out by its tag", test: "TestLaws", law: "an event comes back from the store as it was recorded",
		edits: []string{"`json:\"tags\"`", "`json:\"-\"`"}},
	{name: "a field is not exported", test: "TestLaws", law: "an event comes back from the store as it was recorded",
		edits: []string{"struct{ Tag string }", "struct{ tag string }", "e.Tag)", "e.tag)", "Tagged{Tag: tag}", "Tagged{tag: tag}"}, alone: true},
	{name: "a field is an interface", test: "TestLaws", law: "an event comes back from the store as it was recorded",
		edits: []string{"Edited    struct{ Text string }", "Edited    struct{ Text any }", "Text: e.Text", "Text: string(e.Text.(word))", "Edited{Text: text}", "Edited{Text: word(text)}", "type openedV0", `type word string

type openedV0`}, alone: true},
	{name: "a field cannot be encoded", test: "TestLaws", law: "an event comes back from the store as it was recorded",
		edits: []string{"Edited    struct{ Text string }", `Edited    struct {
		Text string
		Done func()
	}`}},
	{name: "a time is in the zone of the machine", test: "TestLaws", law: "an event comes back from the store as it was recorded",
		edits: []string{"At: at})", "At: at.Local()})"}},
	{name: "two fields have one name", test: "TestLaws", law: "an event comes back from the store as it was recorded",
		edits: []string{"`json:\"tags\"`", "`json:\"customer\"`"}},
	{name: "a snapshot misses a field", test: "TestLaws", law: "a snapshot and the events after it give the state of a full replay",
		edits: []string{`	Total    int64
`, "	Total    int64 `json:\"-\"`\n"}},
	{name: "a snapshot misses what is not exported", test: "TestLaws", law: "a snapshot and the events after it give the state of a full replay",
		edits: []string{`	Edits int64
`, `	edits int64
`, "Edits: s.Note.Edits + 1", "edits: s.Note.edits + 1"}, alone: true},
	{name: "an upcaster loses a field", test: "TestLaws", law: "an upcaster loses no field",
		edits: []string{"Opened{Customer: o.Name, Tags: []string{o.Label}}", "Opened{Customer: o.Name}"}},

	// The contract.
	{name: "an event is renamed", test: "TestContract", law: "event order.tagged: it is gone",
		edits: []string{`"order.tagged"`, `"order.was_tagged"`}},
	{name: "an event is removed", test: "TestContract", law: "upcast order.opened.v0|event order.opened.v0: it is gone",
		edits: []string{`	eventus.Upcast("order.opened.v0", func(o openedV0) Opened {
		return Opened{Customer: o.Name, Tags: []string{o.Label}}
	}),
`, ""}},
	{name: "a field is renamed", test: "TestContract", law: "the field customer is gone",
		edits: []string{"`json:\"customer\"`", "`json:\"client\"`"}},
	{name: "a field changes its type", test: "TestContract", law: `the field Text was "string" and is "bytes"`,
		edits: []string{"Edited    struct{ Text string }", "Edited    struct{ Text []byte }", "Text: e.Text", "Text: string(e.Text)", "Edited{Text: text}", "Edited{Text: []byte(text)}"}},
	{name: "a field is left out when it is empty", test: "TestContract", law: `the field customer was "string" and is "string omitempty"`,
		edits: []string{"`json:\"customer\"`", "`json:\"customer,omitempty\"`"}},
	{name: "an upcaster mixes two fields up", test: "TestContract", law: "an old sample is read otherwise",
		edits: []string{"Opened{Customer: o.Name, Tags: []string{o.Label}}", "Opened{Customer: o.Label, Tags: []string{o.Name}}"}},
	{name: "a state grows, and old snapshots fit it", test: "TestContract", law: "state: the field Count is new",
		edits: []string{`	Placed   bool
}

// Line`, `	Placed   bool
	Count    int64
}

// Line`}},

	// The projection.
	{name: "a projection writes outside of its transaction", test: "TestViews", law: "a read model depends on its events alone",
		edits: []string{`	tx.OnCommit(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		row`, `	func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		row`, `		v.rows[id] = row
	})
`, `		v.rows[id] = row
	}()
`}},
	{name: "a projection reads the clock", test: "TestViews", law: "a read model depends on its events alone",
		edits: []string{`			row.Placed = true
`, `			row.Placed = true
			row.Total = time.Now().UnixNano()
`, `	"context"
`, `	"context"
	"time"
`}, alone: true},
	{name: "a projection numbers its rows as they come", test: "TestViews", law: "a read model depends on its events alone",
		edits: []string{`			row.Customer = e.Customer
`, `			row.Customer = e.Customer
			row.Notes = 100 * len(v.rows)
`}, alone: true},
	{name: "a projection remembers what was rolled back", test: "TestViews", law: "a read model (depends on its events alone|that is built anew)",
		edits: []string{`	id := m.Stream.ID
`, `	id := m.Stream.ID
	v.seen++
	changes := v.seen
`, "row.Changes++", "row.Changes = changes", `	mu   sync.Mutex
`, `	mu   sync.Mutex
	seen int
`}},
	{name: "a projection refuses an event", test: "TestViews", law: "a read model depends on its events alone",
		edits: []string{`	id := m.Stream.ID
`, `	id := m.Stream.ID
	if _, ok := m.Event.(Coded); ok {
		return eventus.ErrUnknownEvent
	}
`}, alone: true},
	{name: "a rebuild keeps old rows", test: "TestViews", law: "a read model that is built anew is the one that was there",
		edits: []string{`		v.rows = make(map[string]View)
	})
`, `	})
`}},
}
