package eventustest_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest"
)

type state struct {
	Name string
	At   time.Time
}

type event interface{ eventus.Event[state] }

type opened struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

func (e opened) Apply(s *state) { s.Name, s.At = e.Name, e.At }

type renamed struct {
	Name string `json:"name"`
}

func (e renamed) Apply(s *state) { s.Name = e.Name }

type lossy struct {
	Name string `json:"name"`
	//eventusvet:ignore lossy a sentence must fail on the loss
	kept string
}

func (e lossy) Apply(s *state) { s.Name = e.kept }

//eventusvet:ignore unlisted a sentence must fail on it
type forgotten struct{}

func (forgotten) Apply(*state) {}

type hidden struct {
	Name   string `json:"name"`
	Secret string `json:"-"` //eventusvet:ignore lossy the scenarios show how it is found
}

func (e hidden) Apply(s *state) { s.Name = e.Name + e.Secret }

type unencodable struct {
	Then func() //eventusvet:ignore lossy the scenarios show how it is found
}

func (e unencodable) Apply(s *state) {}

type account struct {
	eventus.Aggregate[state, event]
}

var (
	errExists  = errors.New("exists")
	errMissing = errors.New("missing")
	errSame    = errors.New("same name")
)

func (a *account) Open(name string) error {
	if a.Version() > 0 {
		return errExists
	}
	a.Record(opened{Name: name})
	return nil
}

func (a *account) Rename(to string) error {
	switch {
	case a.Version() == 0:
		return fmt.Errorf("account: %w", errMissing)
	case to == a.State().Name:
		return errSame
	}
	a.Record(renamed{to})
	return nil
}

// RenameHastily records before it refuses.
func (a *account) RenameHastily() error {
	a.Record(renamed{"x"})
	return errSame
}

func (a *account) Nothing() error { return nil }

var accounts = eventus.Define("account", eventus.New[account],
	eventus.Type[opened]("account.opened"),
	eventus.Type[renamed]("account.renamed"),
	eventus.Type[lossy]("account.lossy"),
	eventus.Type[hidden]("account.hidden"),
	eventus.Type[unencodable]("account.unencodable"),
	eventus.Upcast("account.named", func(old named) renamed { return renamed{old.Title} }),
)

type named struct {
	Title string `json:"title"`
}

// A state that no repository keeps as a snapshot.
type secret struct{ name string }

type secretEvent interface{ eventus.Event[secret] }

type told struct{ Name string }

func (e told) Apply(s *secret) { s.name = e.Name }

type nodded struct{ Name string }

func (nodded) Apply(*secret) {}

type keeper struct {
	eventus.Aggregate[secret, secretEvent]
}

func (k *keeper) Tell(name string) error {
	k.Record(told{name})
	return nil
}

func (k *keeper) Nod() error {
	k.Record(nodded{"anyone"})
	return nil
}

var secrets = eventus.Define("secret", eventus.New[keeper],
	eventus.Type[told]("secret.told"),
	eventus.Type[nodded]("secret.nodded"),
)

func renameTo(name string) func(*account) error {
	return func(a *account) error { return a.Rename(name) }
}

func TestSentencesThatHold(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	eventustest.For(t, accounts).Given(opened{"a", at}).When(renameTo("b")).Then(renamed{"b"})
	eventustest.For(t, accounts).Given(opened{"a", at}, renamed{"b"}).When(renameTo("b")).ThenError(errSame)
	eventustest.For(t, accounts).When(renameTo("b")).ThenError(errMissing)
	eventustest.For(t, accounts).Given().When((*account).Nothing).ThenNothing()
	eventustest.For(t, accounts).Given(opened{"a", at}).Given(renamed{"b"}).When(renameTo("c")).
		ThenState(func(t testing.TB, s state) {
			if s.Name != "c" || !s.At.Equal(at) {
				t.Errorf("got %+v", s)
			}
		})
	eventustest.For(t, accounts).GivenStored("account.named", `{"title":"b"}`).When(renameTo("b")).ThenRefused()
	eventustest.For(t, accounts).Given(opened{"a", at}, renamed{"b"}).
		ThenState(func(t testing.TB, s state) {
			if s.Name != "b" {
				t.Errorf("got %+v", s)
			}
		})
	eventustest.For(t, accounts).Given(opened{"a", at}).When(renameTo("b")).ThenLaws()
	eventustest.For(t, accounts).Given(opened{"a", at}, renamed{"b"}).ThenUses("Name")
	eventustest.For(t, secrets).WithoutSnapshots().Given(told{"a"}).When((*keeper).Nod).ThenLaws()
}

// In a bubble, where no other time can be tried.
func TestScenariosWithinSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eventustest.For(t, accounts).Given(opened{"a", time.Now().UTC()}).When(renameTo("b")).ThenLaws()
		eventustest.Check(t, accounts, eventustest.Do1((*account).Open, words), eventustest.Do1((*account).Rename, words))
	})
}

func TestSentencesThatDoNotHold(t *testing.T) {
	for name, c := range map[string]failing{
		"another event": {
			func(t testing.TB) {
				eventustest.For(t, accounts).Given(opened{Name: "a"}).When(renameTo("b")).Then(renamed{"c"})
			},
			[]string{"other events recorded (-want +got)", "account.renamed", `"c"`, `"b"`}},
		"one event more": {
			func(t testing.TB) {
				eventustest.For(t, accounts).Given(opened{Name: "a"}).When(renameTo("b")).ThenNothing()
			},
			[]string{"other events recorded", `+`, "account.renamed"}},
		"refused, events wanted": {
			func(t testing.TB) { eventustest.For(t, accounts).When(renameTo("b")).Then(renamed{"b"}) },
			[]string{"refused: account: missing"}},
		"accepted, an error wanted": {
			func(t testing.TB) {
				eventustest.For(t, accounts).Given(opened{Name: "a"}).When(renameTo("b")).ThenError(errSame)
			},
			[]string{`accepted, want the error "same name"`, "account.renamed"}},
		"another error": {
			func(t testing.TB) { eventustest.For(t, accounts).When(renameTo("b")).ThenError(errSame) },
			[]string{`refused with "account: missing", want "same name"`}},
		"recorded, then refused": {
			func(t testing.TB) {
				eventustest.For(t, accounts).Given(opened{Name: "a"}).When((*account).RenameHastily).ThenError(errSame)
			},
			[]string{"but recorded events before", "account.renamed"}},
		"a given event that is not registered": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(forgotten{}) },
			[]string{"given event 1", "eventustest_test.forgotten is not in the definition of account"}},
		"a field that the codec drops": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(lossy{"a", "b"}) },
			[]string{"given event 1 (account.lossy) loses something when it is stored", "kept is not exported"}},
		"an event that is a pointer": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(&opened{Name: "a"}) },
			[]string{"given event 1", "events are values, so give the value and not a pointer to it"}},
		"Given without Then": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(opened{Name: "a"}) },
			[]string{"nothing was checked"}},
		"ThenError without an error": {
			func(t testing.TB) { eventustest.For(t, accounts).When(renameTo("b")).ThenError(nil) },
			[]string{"the error is nil; for a decision that is accepted there are Then and ThenNothing"}},
		"ThenState without a check": {
			func(t testing.TB) { eventustest.For(t, accounts).ThenState(nil) },
			[]string{"the check is nil"}},
		"When without Then": {
			func(t testing.TB) { eventustest.For(t, accounts).When(renameTo("b")) },
			[]string{"nothing was checked: a sentence was begun and has no Then"}},
		"Then without When": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(opened{Name: "a"}).ThenNothing() },
			[]string{"call When before Then"}},
		"When twice": {
			func(t testing.TB) { eventustest.For(t, accounts).When((*account).Nothing).When((*account).Nothing) },
			[]string{"one When"}},
		"a given event that is nil": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(nil) },
			[]string{"given event 1 is nil"}},
		"a stored event that cannot be read": {
			func(t testing.TB) { eventustest.For(t, accounts).GivenStored("account.renamed", `{"nmae":"b"}`) },
			[]string{"given account.renamed", "nmae", "cannot be read"}},
		"a field that the codec leaves out": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(hidden{"a", "b"}) },
			[]string{"given event 1 (account.hidden) loses something", `Secret has the tag json:"-"`}},
		"a time that is not in UTC": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(opened{"a", time.Now()}) },
			[]string{"loses something", "At is a time", "record t.UTC()"}},
		"an event that cannot be encoded": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(unencodable{func() {}}) },
			[]string{"given event 1 cannot be encoded", "account.unencodable (eventustest_test.unencodable)", "change the field"}},
		"an expected event that is not registered": {
			func(t testing.TB) {
				eventustest.For(t, accounts).Given(opened{Name: "a"}).When(renameTo("b")).Then(forgotten{})
			},
			[]string{"expected event 1", `add eventus.Type[eventustest_test.forgotten]("account...")`}},
		"a decision that panics": {
			func(t testing.TB) {
				eventustest.For(t, accounts).When(func(a *account) error { panic("oh") })
			},
			[]string{"a command refuses by an error, and does not panic", "panic: oh", "scenario_test.go"}},
		"a decision that records what is not registered": {
			func(t testing.TB) {
				eventustest.For(t, accounts).When(func(a *account) error { a.Record(forgotten{}); return nil })
			},
			[]string{"does not panic", "add eventus.Type[eventustest_test.forgotten]"}},
		"no decision": {
			func(t testing.TB) { eventustest.For(t, accounts).When(nil) },
			[]string{"the decision is nil"}},
		"no definition": {
			func(t testing.TB) { eventustest.For(t, (*eventus.Definition[*account, event])(nil)) },
			[]string{"the definition is nil; give the result of eventus.Define"}},
		"accepted, a refusal wanted": {
			func(t testing.TB) {
				eventustest.For(t, accounts).Given(opened{Name: "a"}).When(renameTo("b")).ThenRefused()
			},
			[]string{"accepted, want an error", `account.renamed eventustest_test.renamed{Name: "b"}`}},
		"a state that is not kept by a snapshot": {
			func(t testing.TB) { eventustest.For(t, secrets).Given(told{"a"}).ThenLaws() },
			[]string{"a snapshot and the events after it", "name is not exported", "see WithoutSnapshots"}},
		"an event that says nothing": {
			func(t testing.TB) { eventustest.For(t, secrets).WithoutSnapshots().Given(nodded{"a"}).ThenUses("") },
			[]string{"Apply uses every field", "secret.nodded never changes the state", `Drops("secret.nodded", "")`}},
		"a field that is not used": {
			func(t testing.TB) { eventustest.For(t, secrets).Given(nodded{"a"}).ThenUses("Name") },
			[]string{"the field Name of secret.nodded makes no difference"}},
		"a field that is not there": {
			func(t testing.TB) { eventustest.For(t, secrets).Given(nodded{"a"}).ThenUses("Nmae") },
			[]string{`secret.nodded has no field "Nmae"; it has ["Name"]`}},
		"a field of no event": {
			func(t testing.TB) { eventustest.For(t, secrets).ThenUses("Name") },
			[]string{"no event was given"}},
		"Given after When": {
			func(t testing.TB) { eventustest.For(t, accounts).When((*account).Nothing).Given(opened{}) },
			[]string{"Given comes before When"}},
	} {
		t.Run(name, c.check)
	}
}
