package eventustest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest"
)

// The parcel of these tests: a definition as it is, and as later releases could
// have it.

type parcel struct{ To string }

type parcelEvent interface{ eventus.Event[parcel] }

type parcels struct {
	eventus.Aggregate[parcel, parcelEvent]
}

type sentTo struct {
	To string `json:"to"`
}

func (e sentTo) Apply(s *parcel) { s.To = e.To }

type sentBy struct {
	To string `json:"to"`
	By string `json:"by"`
}

func (e sentBy) Apply(s *parcel) { s.To = e.To + e.By }

type sentFar struct {
	To string `json:"to"`
}

func (e sentFar) Apply(s *parcel) { s.To = "far " + e.To }

type picky struct {
	Word word `json:"word"`
}

func (e picky) Apply(s *parcel) { s.To = string(e.Word) }

// word is read only when it is "please".
type word string

func (w *word) UnmarshalText(text []byte) error {
	if string(text) != "please" {
		return errSame
	}
	*w = word(text)
	return nil
}

func (w word) MarshalText() ([]byte, error) { return []byte(w), nil }

var (
	first = eventus.Define("parcel", eventus.New[parcels], eventus.Type[sentTo]("parcel.sent"))
	grown = eventus.Define("parcel", eventus.New[parcels], eventus.Type[sentBy]("parcel.sent"), eventus.Type[sentFar]("parcel.sent_far"))
	bare  = eventus.Define("parcel", eventus.New[parcels], eventus.Type[sentFar]("parcel.sent_far"))
	moved = eventus.Define("parcel", eventus.New[parcels], eventus.Type[sentFar]("parcel.sent_far"),
		eventus.Upcast("parcel.sent", func(old sentTo) sentFar { return sentFar(old) }))
	lessOnce = eventus.Define("parcel", eventus.New[parcels], eventus.Type[sentTo]("parcel.sent_far"),
		eventus.Upcast("parcel.sent", func(old sentTo) sentTo { return sentTo{} }))
	elsewhere = eventus.Define("letter", eventus.New[parcels], eventus.Type[sentTo]("parcel.sent"))
	asking    = eventus.Define("parcel", eventus.New[parcels], eventus.Type[picky]("parcel.asked"))
)

// update writes contracts for as long as f runs, as the flag does.
func update(t *testing.T, f func()) {
	t.Helper()
	eventustest.SetUpdate(t, true)
	defer eventustest.SetUpdate(t, false)
	f()
}

func contractOf(t *testing.T, definition *eventus.Definition[*parcels, parcelEvent]) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "testdata", "parcel.golden")
	update(t, func() { eventustest.Contract(t, definition, path) })
	return path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsAddedKeepsAContract(t *testing.T) {
	path := contractOf(t, first)
	eventustest.Contract(t, first, path)
	eventustest.Contract(t, grown, path)
	eventustest.Contract(t, moved, path)
}

func TestBrokenContracts(t *testing.T) {
	for name, c := range map[string]struct {
		then, now *eventus.Definition[*parcels, parcelEvent]
		want      []string
	}{
		"an event that is gone": {first, bare,
			[]string{"event parcel.sent: it is gone", `eventus.Upcast("parcel.sent", ...)`, "-eventus.update"}},
		"a field that is gone": {grown, first,
			[]string{"event parcel.sent: the field by is gone", "an old sample is not read any more", "event parcel.sent_far: it is gone"}},
		"an old form that is read otherwise": {moved, lessOnce,
			[]string{"upcast parcel.sent: an old sample is read otherwise: to was a and is", `was {"to":"a"}`, `is  {"to":""}`}},
		"another category": {first, elsewhere,
			[]string{"category parcel: the definition is of letter"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := contractOf(t, c.then)
			failing{func(t testing.TB) { eventustest.Contract(t, c.now, path) }, c.want}.check(t)
		})
	}
}

func TestAnUpdateDropsNoSample(t *testing.T) {
	t.Run("old samples stay beside new ones", func(t *testing.T) {
		path := contractOf(t, first)
		update(t, func() { eventustest.Contract(t, grown, path) })
		text := readFile(t, path)
		for _, want := range []string{`{"to":"a"}`, `{"to":"a","by":""}`, `{"to":"a","by":"b"}`, "event parcel.sent_far"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
		eventustest.Contract(t, grown, path)
	})
	t.Run("nor does it when nothing reads them", func(t *testing.T) {
		for name, c := range map[string]struct {
			now  *eventus.Definition[*parcels, parcelEvent]
			want string
		}{
			"the event is gone": {bare, "is not written: parcel.sent is gone"},
			"the field is gone": {first, "is not written: a sample of parcel.sent is not read any more"},
		} {
			path := contractOf(t, grown)
			before := readFile(t, path)
			t.Run(name, func(t *testing.T) {
				update(t, func() {
					failing{func(t testing.TB) { eventustest.Contract(t, c.now, path) }, []string{c.want}}.check(t)
				})
			})
			if readFile(t, path) != before {
				t.Error("it was written")
			}
		}
	})
}

// wordy has fields that are called as the words of the file are.
type wordy struct {
	Sample string `json:"sample:"`
	Reads  string `json:"reads:"`
	Odd    string `json:"a b\tc"`
}

func (e wordy) Apply(s *parcel) { s.To = e.Sample + e.Reads + e.Odd }

func TestNoFieldIsTakenForAWord(t *testing.T) {
	definition := eventus.Define("parcel", eventus.New[parcels], eventus.Type[wordy]("parcel.worded today"))
	path := contractOf(t, definition)
	eventustest.Contract(t, definition, path)
	failing{func(t testing.TB) { eventustest.Contract(t, first, path) }, []string{"event parcel.worded today: it is gone"}}.check(t)
	for _, want := range []string{`"sample:" `, `"reads:" `, `"a b\tc"`} {
		if !strings.Contains(readFile(t, path), want) {
			t.Errorf("no %s in\n%s", want, readFile(t, path))
		}
	}
}

func TestASampleThatIsGiven(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asked.golden")
	update(t, func() {
		failing{func(t testing.TB) { eventustest.Contract(t, asking, path) },
			[]string{"no sample of parcel.asked (eventustest_test.picky) can be made up; give one"}}.check(t)
		eventustest.Contract(t, asking, path, picky{"please"})
	})
	if text := readFile(t, path); !strings.Contains(text, `sample: application/json {"word":"please"}`) {
		t.Error(text)
	}
	eventustest.Contract(t, asking, path, picky{"please"})
}

// An old form that is read in one way alone has the samples that are put into
// the file.
func TestAnOldFormThatNothingMadeUpIs(t *testing.T) {
	strict := eventus.Define("parcel", eventus.New[parcels], eventus.Type[sentTo]("parcel.sent"),
		eventus.Upcast("parcel.sent.v0", func(old sentTo) sentTo {
			name, ok := strings.CutPrefix(old.To, "#!?")
			if !ok {
				panic("no address")
			}
			return sentTo{name}
		}))
	path := contractOf(t, strict)
	eventustest.Contract(t, strict, path)
	text := strings.Replace(readFile(t, path), "\nstate", "  sample: application/json {\"to\":\"#!?x\"}\n  reads:  {}\n\nstate", 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	update(t, func() { eventustest.Contract(t, strict, path) })
	if text := readFile(t, path); !strings.Contains(text, "{\"to\":\"#!?x\"}\n  as:     parcel.sent\n  reads:  {\"to\":\"x\"}") {
		t.Error(text)
	}
}

func TestBadContractFiles(t *testing.T) {
	good := readFile(t, contractOf(t, first))
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":                       {"", []string{"ends before the contract is whole", "take it from version control"}},
		"of a newer format":           {strings.Replace(good, "contract 1", "contract 2", 1), []string{"of a newer release of Eventus; upgrade the one that reads it (it is of format 2, and this release reads 1)"}},
		"something else":              {"{}", []string{`line 1: want "contract 1", have "{} "`}},
		"a word that is none":         {good + "evnet x\n", []string{`"evnet" is no part of a contract`}},
		"a field without a type":      {strings.Replace(good, "  to  string", "  to", 1), []string{`line 9: the field "to" has no type`}},
		"a field without an event":    {"contract 1\n  to string\n", []string{`line 2: "to string" belongs to no event`}},
		"a sample without data":       {strings.Replace(good, `application/json {"to":"a"}`, "application/json", 1), []string{"a sample without its data"}},
		"a sample in bad Base64":      {strings.Replace(good, `{"to":"a"}`, "base64:?", 1), []string{"a sample without its data", "illegal base64"}},
		"a sample that reads as what": {strings.Replace(good, "  reads:  {\"to\":\"a\"}\n", "", 1), []string{"it is not said what a sample of parcel.sent is read as"}},
		"an event without a name":     {strings.Replace(good, "event parcel.sent", "event", 1), []string{"an event without its name"}},
		"no text":                     {strings.Replace(good, "string", "str\x00ing", 1), []string{"it is no text"}},
		"a merge conflict":            {strings.Replace(good, "\nevent", "\n<<<<<<< HEAD\nevent", 1), []string{`"<<<<<<<" is no part of a contract`}},
		"cut":                         {good[:strings.Index(good, "\nevent")], []string{"ends before the contract is whole"}},
		"cut behind a field":          {good[:strings.Index(good, "  sample:")], []string{"ends before the contract is whole"}},
		"cut before the state":        {good[:strings.Index(good, "\nstate")], []string{"ends before the contract is whole"}},
		"an event without a sample":   {strings.Replace(good, "  sample: application/json {\"to\":\"a\"}\n  reads:  {\"to\":\"a\"}\n  sample: application/json {\"to\":\"\"}\n  reads:  {\"to\":\"\"}\n", "", 1), []string{"the event parcel.sent has no sample"}},
		"an event twice":              {strings.Replace(good, "\nstate", "\nevent parcel.sent\n\nstate", 1), []string{"event parcel.sent is there twice"}},
		"no file":                     {"", []string{"there is no contract of parcel yet", "-eventus.update", "version control"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "parcel.golden")
			if name != "no file" {
				if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			failing{func(t testing.TB) { eventustest.Contract(t, first, path) }, c.want}.check(t)
		})
	}
	failing{func(t testing.TB) { eventustest.Contract(t, (*eventus.Definition[*parcels, parcelEvent])(nil), "x") },
		[]string{"the definition is nil"}}.check(t)
	failing{func(t testing.TB) { eventustest.Contract(t, first, "") }, []string{"the contract has no file", `"testdata/parcel.golden"`}}.check(t)
}

// Whatever a file holds, it is read or refused.
func FuzzContractFile(f *testing.F) {
	f.Add("contract 1\ncategory parcel\n\nevent parcel.sent\n  to  string\n  sample: application/json {}\n  reads:  {}\nstate\n")
	f.Add("contract 1\ncategory parcel\nevent x\n  sample: a base64:AA==\n  as:     y\n  reads:  {}\nstate\n")
	f.Fuzz(func(t *testing.T, text string) { eventustest.RereadContract(t, text) })
}
