package eventustest_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest"
	"pgregory.net/rapid"
)

var words = rapid.SampledFrom([]string{"a", "b", "c"})

func nameIsShort(s state) error {
	if len(s.Name) > 2 {
		return fmt.Errorf("the name %q is too long", s.Name)
	}
	return nil
}

// Lengthen is a decision that breaks nameIsShort at its third time.
func (a *account) Lengthen(by string) error {
	a.Record(renamed{a.State().Name + by})
	return nil
}

func (a *account) Panic() error { panic("at the disco") }

func TestChecksThatFail(t *testing.T) {
	open, rename := eventustest.Do1((*account).Open, words), eventustest.Do1((*account).Rename, words)
	for name, c := range map[string]failing{
		"no definition": {
			func(t testing.TB) { eventustest.Check(t, (*eventus.Definition[*account, event])(nil), open) },
			[]string{"the definition is nil"}},
		"no commands": {
			func(t testing.TB) { eventustest.Check(t, accounts) },
			[]string{"no commands of account; give some by Do"}},
		"a command without a function": {
			func(t testing.TB) { eventustest.Check(t, accounts, open, eventustest.Do[*account](nil)) },
			[]string{"a command of *eventustest_test.account has no function"}},
		"a command without a generator": {
			func(t testing.TB) { eventustest.Check(t, accounts, eventustest.Do1((*account).Open, nil)) },
			[]string{"command Open: its generator of string is nil"}},
		"a generator that never succeeds": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1((*account).Open, words.Filter(func(string) bool { return false })))
			},
			[]string{"command Open: its generator of string never succeeds", "loosen its Filter"}},
		"commands that are never accepted": {
			func(t testing.TB) { eventustest.Check(t, accounts, rename) },
			[]string{"no command of account was ever accepted", "Rename accepted 0 times, refused"}},
		"an aggregate that is one for all": {
			func(t testing.TB) {
				only := new(account)
				eventustest.Check(t, eventus.Define("account", func() *account { return only }, eventus.Type[renamed]("account.renamed")), rename)
			},
			[]string{"makes aggregates of account returns the same one each time"}},
		"an invariant that is nil": {
			func(t testing.TB) { eventustest.LawsOf(accounts, open).Invariant(nil).Check(t) },
			[]string{"an invariant of account is nil"}},
		"ids that are none": {
			func(t testing.TB) { eventustest.LawsOf(accounts, open).IDs(func() string { return "" }).Check(t) },
			[]string{"the function given to IDs returns no id"}},
		"a generator that seldom succeeds": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, eventustest.Do1(func(*account, int) error { return nil }, rapid.IntRange(100, 300).Filter(func(n int) bool { return n%50 == 33 })))
			},
			[]string{"a generator seldom succeeds"}},
		"a command that is never accepted": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, open, eventustest.Do(func(*account) error { return errSame }))
			},
			[]string{"was never accepted, so what it does was not tested", `at first because "same name"`}},
		"a command that panics": {
			func(t testing.TB) { eventustest.Check(t, accounts, open, eventustest.Do((*account).Panic)) },
			[]string{"does not panic", "at the disco", "check_test.go", "When((*account).Panic).\n\t\tThenLaws()"}},
		"a command that is a function literal": {
			func(t testing.TB) {
				eventustest.Check(t, accounts, open, eventustest.Do1(func(a *account, n int) error {
					a.Record(renamed{strings.Repeat("x", n)})
					return errors.New("no")
				}, rapid.IntRange(1, 3)))
			},
			[]string{"a refused command leaves", "func(a *account) error {\n\t\t\treturn func(a *account, n int) error {\n", `}(a, 1)`}},
		"a command that was written in another file": {
			func(t testing.TB) { eventustest.Check(t, accounts, open, recordsFirst) },
			[]string{"As a test, for check_test.go", "a.Record(renamed{strings.Repeat(\"x\", n)})", "return errors.New(\"no\")", `}(a, 1)`}},
		"an invariant that does not hold": {
			func(t testing.TB) {
				eventustest.LawsOf(accounts, open, eventustest.Do1((*account).Lengthen, words)).Invariant(nameIsShort).Check(t)
			},
			[]string{"law broken: an invariant holds", "is too long", `renamed{Name: "aa"}`, `a.Lengthen("a")`, "if err := nameIsShort(state); err != nil"}},
		"a state that is not kept by a snapshot": {
			func(t testing.TB) { eventustest.Check(t, secrets, eventustest.Do1((*keeper).Tell, words)) },
			[]string{"a snapshot and the events after it", "name is not exported", `When(func(a *keeper) error { return a.Tell("a") })`}},
		"an event that changes nothing": {
			func(t testing.TB) {
				eventustest.LawsOf(secrets, eventustest.Do((*keeper).Nod), eventustest.Do1((*keeper).Tell, words)).WithoutSnapshots().Check(t)
			},
			[]string{"the field Name of secret.nodded makes no difference", "eventustest.For(t, secrets).\n\t\tWithoutSnapshots().\n\t\tGiven(nodded{Name: ", `ThenUses("Name")`}},
		"what is left out is left out": {
			func(t testing.TB) {
				eventustest.LawsOf(secrets, eventustest.Do((*keeper).Nod), eventustest.Do1((*keeper).Tell, words)).
					WithoutSnapshots().Drops("secret.nodded", "Name").Check(t)
			}, nil},
	} {
		t.Run(name, c.check)
	}
}

// A history is tried once on the way to the smallest one.
func TestWhatIsKnownIsNotTriedAgain(t *testing.T) {
	tries := eventustest.Tries(t, 10)
	if len(tries) == 0 {
		t.Error("nothing smaller was tried")
	}
	for n, times := range tries {
		if times > 1 {
			t.Errorf("%d was tried %d times", n, times)
		}
	}
}

// A law that only further histories break is told with the commands that it
// takes.
func TestWhatFurtherHistoriesBreakIsMadeSmaller(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	defer flag.Set("rapid.checks", checks)
	if err := flag.Set("rapid.checks", "5"); err != nil {
		t.Fatal(err)
	}
	runs := 0 // five histories make some thirty
	late := eventustest.Do(func(a *account) error {
		if runs++; runs > 500 {
			panic("late")
		}
		return nil
	})
	never := eventustest.Do(func(*account) error { return errSame })
	failing{
		func(t testing.TB) {
			eventustest.Check(t, accounts, late, never, eventustest.Do1((*account).Open, words))
		},
		[]string{"does not panic", "panic: late", "eventustest.For(t, accounts).\n\t\tWhen("},
	}.check(t)
	if runs <= 500 {
		t.Errorf("%d runs: no further histories came", runs)
	}
}

// An old form with a field that is left out on purpose.
func TestWhatAnUpcastDrops(t *testing.T) {
	type old struct{ Title, Colour string }
	upcast := eventus.Define("account", eventus.New[account],
		eventus.Type[opened]("account.opened"),
		eventus.Upcast("account.opened.v0", func(o old) opened { return opened{Name: o.Title} }),
	)
	open := eventustest.Do1((*account).Open, words)
	failing{
		func(t testing.TB) { eventustest.LawsOf(upcast, open).Drops("account.opened", "At").Check(t) },
		[]string{"an upcaster loses no field", "account.opened.v0: the field Colour of eventustest_test.old", `Drops("account.opened.v0", "Colour")`, "ThenLaws()"},
	}.check(t)
	eventustest.LawsOf(upcast, open).Drops("account.opened", "At").Drops("account.opened.v0", "Colour").Check(t)
}

// The property is one of rapid: it fails there too, and prints the scenario.
func TestPropertyFailsInRapid(t *testing.T) {
	laws := eventustest.LawsOf(accounts,
		eventustest.Do1((*account).Open, words),
		eventustest.Do1((*account).Lengthen, words),
	).Invariant(nameIsShort)
	var text strings.Builder
	tb := &rapidTB{TB: t, text: &text}
	rapid.Check(tb, laws.Property)
	for _, want := range []string{"an invariant holds", "eventustest.For(t, accounts)", "Lengthen("} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got %q\nwithout %q", &text, want)
		}
	}
}

// rapidTB lets rapid fail and notes what it says.
type rapidTB struct {
	testing.TB
	text   *strings.Builder
	failed bool
}

func (r *rapidTB) Helper()      {}
func (r *rapidTB) Fail()        { r.failed = true }
func (r *rapidTB) FailNow()     { r.failed = true }
func (r *rapidTB) Failed() bool { return r.failed }
func (r *rapidTB) Log(args ...any) {
	fmt.Fprintln(r.text, args...)
}
func (r *rapidTB) Logf(format string, args ...any) { r.Log(fmt.Sprintf(format, args...)) }
func (r *rapidTB) Errorf(format string, args ...any) {
	r.failed = true
	r.Logf(format, args...)
}

func FuzzLaws(f *testing.F) {
	eventustest.LawsOf(accounts, eventustest.Do1((*account).Open, words), eventustest.Do1((*account).Rename, words)).Fuzz(f)
}
