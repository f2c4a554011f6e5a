package eventustest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
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

type account struct {
	eventus.Aggregate[state, event]
}

var (
	errMissing = errors.New("missing")
	errSame    = errors.New("same name")
)

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
}

// recorder is a testing.TB that notes the first fatal message and stops there,
// as the real one does.
type recorder struct {
	testing.TB
	fatal   string
	cleanup []func()
}

type stopped struct{}

func (r *recorder) Helper() {}

func (r *recorder) Failed() bool { return r.fatal != "" }

func (r *recorder) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }

func (r *recorder) Error(args ...any) { r.fatal = fmt.Sprint(args...) }

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	panic(stopped{})
}

func fatalOf(t *testing.T, sentence func(t testing.TB)) string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != (stopped{}) {
				panic(p)
			}
		}()
		sentence(r)
	}()
	for _, f := range r.cleanup {
		f()
	}
	return r.fatal
}

func TestSentencesThatDoNotHold(t *testing.T) {
	for name, c := range map[string]struct {
		sentence func(t testing.TB)
		want     []string
	}{
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
		"When without Then": {
			func(t testing.TB) { eventustest.For(t, accounts).When(renameTo("b")) },
			[]string{"nothing was checked; call Then"}},
		"Then without When": {
			func(t testing.TB) { eventustest.For(t, accounts).Given(opened{Name: "a"}).ThenNothing() },
			[]string{"call When before Then"}},
		"When twice": {
			func(t testing.TB) { eventustest.For(t, accounts).When((*account).Nothing).When((*account).Nothing) },
			[]string{"one When"}},
		"Given after When": {
			func(t testing.TB) { eventustest.For(t, accounts).When((*account).Nothing).Given(opened{}) },
			[]string{"Given comes before When"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := fatalOf(t, c.sentence)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q\nwithout %q", got, want)
				}
			}
		})
	}
}
