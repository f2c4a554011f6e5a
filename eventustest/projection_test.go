package eventustest_test

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"
)

// row is what a projection of accounts keeps.
type row struct {
	Name    string
	Renamed int
	At      time.Time
}

type rows map[string]row

func (r rows) get(_ context.Context, id string) (row, error) {
	found, ok := r[id]
	if !ok {
		return row{}, eventus.ErrNotFound
	}
	return found, nil
}

type handle = consume.HandlerFunc[*memory.Tx, event]

// correct writes rows when the transaction commits, and refuses what comes
// before an account is opened.
func (r rows) correct(_ context.Context, tx *memory.Tx, m eventus.Message[event]) error {
	id := m.Stream.ID
	now := r[id]
	switch e := m.Event.(type) {
	case opened:
		now = row{Name: e.Name, At: m.Time}
	case renamed:
		if now == (row{}) {
			return errMissing
		}
		now.Name = e.Name
		now.Renamed++
	}
	tx.OnCommit(func() { r[id] = now })
	return nil
}

// hasty writes rows at once.
func (r rows) hasty(_ context.Context, _ *memory.Tx, m eventus.Message[event]) error {
	now := r[m.Stream.ID]
	if _, ok := m.Event.(renamed); ok {
		now.Renamed++
	}
	r[m.Stream.ID] = now
	return nil
}

func modelOf(r rows, h handle) eventustest.ReadModel[*memory.Tx, event, row] {
	return eventustest.Projection(memory.New(), h, r.get)
}

func openCorrect(testing.TB) eventustest.ReadModel[*memory.Tx, event, row] {
	r := make(rows)
	return modelOf(r, r.correct)
}

func openHasty(testing.TB) eventustest.ReadModel[*memory.Tx, event, row] {
	r := make(rows)
	return modelOf(r, r.hasty)
}

func TestProjectionsThatHold(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	eventustest.ForProjection(t, accounts, openCorrect(t)).
		At(at).Given(opened{Name: "a"}, renamed{"b"}).
		Of("other").Given(opened{Name: "c"}).
		Of(eventustest.ID).Then(row{Name: "b", Renamed: 1, At: at})
	eventustest.ForProjection(t, accounts, openCorrect(t)).Given(opened{Name: "a"}).GivenStored("account.named", `{"title":"b"}`).
		ThenModel(func(t testing.TB, got row) {
			if got.Name != "b" {
				t.Errorf("got %+v", got)
			}
		})
	eventustest.ForProjection(t, accounts, openCorrect(t)).Given(renamed{"b"}).ThenError(errMissing)
	eventustest.ForProjection(t, accounts, openCorrect(t)).ThenError(eventus.ErrNotFound)
}

func TestProjectionsThatDoNotHold(t *testing.T) {
	for name, c := range map[string]failing{
		"another row": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, openCorrect(t)).Given(opened{Name: "a"}).Then(row{Name: "b"})
			},
			[]string{"the read model is another (-want +got)", `"a"`, `"b"`}},
		"an effect that happens twice": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, openHasty(t)).Given(renamed{"b"}).Then(row{Renamed: 1})
			},
			[]string{"the read model is another", "written outside of the transaction", "Renamed: 2"}},
		"a message that is refused": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, openCorrect(t)).Given(renamed{"b"}).Then(row{})
			},
			[]string{"a message was refused: missing"}},
		"a message after one that is refused": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, openCorrect(t)).Given(renamed{"b"}, renamed{"c"})
			},
			[]string{"version 2 comes after a message that was refused: missing"}},
		"no row": {
			func(t testing.TB) { eventustest.ForProjection(t, accounts, openCorrect(t)).Then(row{}) },
			[]string{"the read model of " + eventustest.ID + " cannot be read: not found"}},
		"no error": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, openCorrect(t)).Given(opened{}).ThenError(errMissing)
			},
			[]string{"got the error <nil>"}},
		"an event that is not registered": {
			func(t testing.TB) { eventustest.ForProjection(t, accounts, openCorrect(t)).Given(forgotten{}) },
			[]string{"an event cannot be stored", "eventustest_test.forgotten is not in the definition"}},
		"an event that loses something": {
			func(t testing.TB) { eventustest.ForProjection(t, accounts, openCorrect(t)).Given(lossy{"a", "b"}) },
			[]string{"account.lossy loses something", "kept is not exported"}},
		"a message that cannot be read": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, openCorrect(t)).GivenStored("account.renamed", "{")
			},
			[]string{"a message cannot be read"}},
		"a projection without Then": {
			func(t testing.TB) { eventustest.ForProjection(t, accounts, openCorrect(t)).Given(opened{}) },
			[]string{"nothing was checked: a sentence was begun and has no Then"}},
		"no read model": {
			func(t testing.TB) {
				eventustest.ForProjection(t, accounts, eventustest.ReadModel[*memory.Tx, event, row]{})
			},
			[]string{"no read model; give what Projection returns"}},
		"a check without commands": {
			func(t testing.TB) { eventustest.CheckProjection(t, accounts, openCorrect) },
			[]string{"no commands of account"}},
		"a check without a read model": {
			func(t testing.TB) {
				eventustest.CheckProjection[state, event, *account, *memory.Tx, row](t, accounts, nil, eventustest.Do1((*account).Open, words))
			},
			[]string{"no read model"}},
		"a check in which nothing happens": {
			func(t testing.TB) {
				eventustest.CheckProjection(t, accounts, openCorrect, eventustest.Do1((*account).Rename, words))
			},
			[]string{"so nothing was tested", "Rename accepted 0 times"}},
		"a projection that is not in its transaction": {
			func(t testing.TB) {
				eventustest.CheckProjection(t, accounts, openHasty, eventustest.Do1((*account).Open, words), eventustest.Do1((*account).Lengthen, words))
			},
			[]string{"law broken: a read model depends on its events alone", "eventustest.ForProjection(t, accounts, openHasty(t)).", "renamed{Name: ", ".Then(row{Renamed: 1})"}},
		"a check whose read model is none": {
			func(t testing.TB) {
				eventustest.CheckProjection(t, accounts, func(testing.TB) (m eventustest.ReadModel[*memory.Tx, event, row]) { return m }, eventustest.Do1((*account).Open, words))
			},
			[]string{"let it return what Projection does"}},
		"events and rows that no expression makes": {
			func(t testing.TB) {
				eventustest.CheckProjection(t, hosts, openSites, eventustest.Do1((*host).Move, rapid.Just(netip.MustParseAddr("192.0.2.1"))))
			},
			[]string{"GivenStored(\"host.moved\", `{\"To\":\"192.0.2.1\"}`)", "Then(*new(site) /* replace by: eventustest_test.site{At: netip.Addr{"}},
	} {
		t.Run(name, c.check)
	}
}

// openOutside writes beside the transaction of its inbox, which holds the lock.
func openOutside(t testing.TB) eventustest.ReadModel[*sql.Tx, event, int] {
	db, err := sql.Open("sqlite", strings.Replace(sqlite.DSN(filepath.Join(t.TempDir(), "outside.db")), "busy_timeout(10000)", "busy_timeout(200)", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	inbox, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE counts (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	return eventustest.Projection(inbox, consume.HandlerFunc[*sql.Tx, event](func(ctx context.Context, _ *sql.Tx, _ eventus.Message[event]) error {
		_, err := db.ExecContext(ctx, "INSERT INTO counts VALUES (1)")
		return err
	}), func(ctx context.Context, _ string) (n int, err error) {
		err = db.QueryRowContext(ctx, "SELECT count(*) FROM counts").Scan(&n)
		return n, err
	})
}

// What waits for the end of the transaction that it is called in would wait for
// ever.
func TestAProjectionThatWaitsForItself(t *testing.T) {
	failing{
		func(t testing.TB) {
			eventustest.ForProjection(t, accounts, openOutside(t)).Given(opened{Name: "a"}).Then(1)
		},
		[]string{"database is locked", "look for writes outside of the transaction"},
	}.check(t)
	opens := 0
	openCounted := func(t testing.TB) eventustest.ReadModel[*sql.Tx, event, int] {
		opens++
		return openOutside(t)
	}
	failing{
		func(t testing.TB) {
			eventustest.CheckProjection(t, accounts, openCounted, eventustest.Do1((*account).Open, words))
		},
		[]string{"law broken: a read model depends on its events alone", "look for writes outside of the transaction", "eventustest.ForProjection(t, accounts, openCounted(t))"},
	}.check(t)
	const anyAndHistory = 3 // one to see whether there is any, and two for a history
	if opens != anyAndHistory {
		t.Errorf("%d read models were opened, want %d: no smaller history is sought", opens, anyAndHistory)
	}
	failing{
		func(t testing.TB) {
			patient := eventustest.Projection(memory.New(), handle(func(context.Context, *memory.Tx, eventus.Message[event]) error { return consume.Transient(errMissing) }), make(rows).get)
			eventustest.ForProjection(t, accounts, patient).Given(opened{Name: "a"}).Then(row{})
		},
		[]string{"a message was refused: missing"},
	}.check(t)
	// One that waits for the only connection waits for the end of its context.
	eventustest.SetLongestWait(t, 100*time.Millisecond)
	failing{
		func(t testing.TB) {
			waiting := eventustest.Projection(memory.New(), handle(func(ctx context.Context, _ *memory.Tx, _ eventus.Message[event]) error {
				<-ctx.Done()
				return ctx.Err()
			}), make(rows).get)
			eventustest.ForProjection(t, accounts, waiting).Given(opened{Name: "a"}).Then(row{})
		},
		[]string{"context deadline exceeded", "look for writes outside of the transaction"},
	}.check(t)
}

// host has an event whose field keeps its parts to itself.
type (
	hostEvent interface{ eventus.Event[netip.Addr] }
	relocated struct{ To netip.Addr }
	host      struct {
		eventus.Aggregate[netip.Addr, hostEvent]
	}
	site struct {
		At    netip.Addr
		Moves int
	}
)

func (e relocated) Apply(s *netip.Addr) { *s = e.To }

func (h *host) Move(to netip.Addr) error {
	h.Record(relocated{to})
	return nil
}

var hosts = eventus.Define("host", eventus.New[host], eventus.Type[relocated]("host.moved"))

// openSites counts at once, and not in the transaction.
func openSites(testing.TB) eventustest.ReadModel[*memory.Tx, hostEvent, site] {
	var kept site
	return eventustest.Projection(memory.New(), consume.HandlerFunc[*memory.Tx, hostEvent](func(_ context.Context, _ *memory.Tx, m eventus.Message[hostEvent]) error {
		kept = site{m.Event.(relocated).To, kept.Moves + 1}
		return nil
	}), func(context.Context, string) (site, error) { return kept, nil })
}

// What a history opens, it closes before the next one begins.
func TestAReadModelIsOpenForOneHistory(t *testing.T) {
	open, most := 0, 0
	eventustest.CheckProjection(t, accounts, func(t testing.TB) eventustest.ReadModel[*memory.Tx, event, row] {
		open++
		most = max(most, open)
		t.Cleanup(func() { open-- })
		return openCorrect(t)
	}, eventustest.Do1((*account).Open, words))
	if open != 0 || most != 2 {
		t.Errorf("%d are open at the end, %d at most, want none and 2", open, most)
	}
}

// What a handler of accounts sends.
type greet struct{ Name string }

var errPost = errors.New("the post is late")

func greeter(send func(context.Context, greet) error) eventus.Handler[event] {
	return eventus.HandlerFunc[event](func(ctx context.Context, m eventus.Message[event]) error {
		switch e := m.Event.(type) {
		case opened:
			return send(ctx, greet{e.Name})
		case renamed:
			if e.Name == "late" {
				return errPost
			}
			if e.Name == "panic" {
				panic("oh")
			}
		}
		return nil
	})
}

// copier opens an account of the same name elsewhere.
func copier(copies *eventus.Repository[*account]) eventus.Handler[event] {
	return eventus.HandlerFunc[event](func(ctx context.Context, m eventus.Message[event]) error {
		_, err := copies.Update(ctx, m.Stream.ID+"-copy", func(a *account) error { return a.Open(m.Event.(opened).Name) })
		return err
	})
}

func TestHandlersThatHold(t *testing.T) {
	var sent eventustest.Sent
	h := greeter(eventustest.Commands[greet](&sent))
	eventustest.ForHandler(t, accounts, h, &sent).When(opened{Name: "a"}).Then(greet{"a"})
	eventustest.ForHandler(t, accounts, h, &sent).Given(opened{Name: "a"}).When(renamed{"b"}).ThenNothing()
	eventustest.ForHandler(t, accounts, h, &sent).Given(opened{Name: "a"}).Of("other").WhenStored("account.named", `{"title":"late"}`).ThenError(errPost)
	eventustest.ForHandler(t, accounts, copier(eventustest.Appends(&sent, accounts)), &sent).
		Of("x").At(time.Unix(1, 0).UTC()).
		When(opened{Name: "a"}).
		Then(eventustest.Appended{ID: "x-copy", Event: opened{Name: "a"}})

	// In a transaction, each message once.
	once := consume.AtLeastOnce("greeter", memory.New(), h.Handle, consume.Retry{MaxAttempts: 1})
	eventustest.ForHandler(t, accounts, once, &sent).When(opened{Name: "a"}).Then(greet{"a"})
	eventustest.ForHandler(t, accounts, once, &sent).When(opened{Name: "a"}).ThenNothing() // it was version 1 before
}

func TestHandlersThatDoNotHold(t *testing.T) {
	var sent eventustest.Sent
	h := greeter(eventustest.Commands[greet](&sent))
	for name, c := range map[string]failing{
		"another command": {
			func(t testing.TB) {
				eventustest.ForHandler(t, accounts, h, &sent).When(opened{Name: "a"}).Then(greet{"b"})
			},
			[]string{"other things sent (-want +got)", `"b"`, `"a"`}},
		"a command too many": {
			func(t testing.TB) {
				eventustest.ForHandler(t, accounts, h, &sent).When(opened{Name: "a"}).ThenNothing()
			},
			[]string{"other things sent", "greet"}},
		"a message that is refused": {
			func(t testing.TB) {
				eventustest.ForHandler(t, accounts, h, &sent).When(renamed{"late"}).ThenNothing()
			},
			[]string{"the message is refused: the post is late"}},
		"a given message that is refused": {
			func(t testing.TB) { eventustest.ForHandler(t, accounts, h, &sent).Given(renamed{"late"}) },
			[]string{"the given account.renamed is refused: the post is late"}},
		"no error": {
			func(t testing.TB) {
				eventustest.ForHandler(t, accounts, h, &sent).When(renamed{"b"}).ThenError(errPost)
			},
			[]string{"got the error <nil>"}},
		"a panic": {
			func(t testing.TB) { eventustest.ForHandler(t, accounts, h, &sent).When(renamed{"panic"}) },
			[]string{"the handler panics: oh"}},
		"When twice": {
			func(t testing.TB) {
				eventustest.ForHandler(t, accounts, h, &sent).When(renamed{"b"}).When(renamed{"b"})
			},
			[]string{"one When"}},
		"a handler without Then": {
			func(t testing.TB) { eventustest.ForHandler(t, accounts, h, &sent).When(opened{Name: "a"}) },
			[]string{"nothing was checked: a sentence was begun and has no Then"}},
		"no handler": {
			func(t testing.TB) {
				eventustest.ForHandler(t, accounts, eventus.HandlerFunc[event](nil), &sent)
			},
			[]string{"the handler is nil"}},
		"no definition": {
			func(t testing.TB) { eventustest.ForHandler[event](t, nil, h, &sent) },
			[]string{"no table of events; give a definition"}},
		"nothing that notes": {
			func(t testing.TB) { eventustest.ForHandler(t, accounts, h, nil) },
			[]string{"give the address of the Sent that the handler writes to"}},
		"Then without When": {
			func(t testing.TB) { eventustest.ForHandler(t, accounts, h, &sent).ThenNothing() },
			[]string{"call When before Then"}},
	} {
		t.Run(name, c.check)
	}
}

func TestClockAndIDs(t *testing.T) {
	var clock eventustest.Clock
	r := eventus.NewRepository(memory.New(), accounts, eventus.WithClock(clock.Now), eventus.WithIDs(eventustest.NewIDs()))
	for _, name := range []string{"a", "b"} {
		if _, err := r.Update(t.Context(), "x", func(a *account) error { return a.Lengthen(name) }); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour)
	}
	var got []string
	for m, err := range eventus.History(t.Context(), r, "x") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Time.Format(time.DateTime)+" "+m.ID)
	}
	want := []string{"2000-01-01 00:00:00 00000000-0000-7000-8000-000000000001", "2000-01-01 01:00:00 00000000-0000-7000-8000-000000000002"}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q, want %q", got, want)
	}
}
