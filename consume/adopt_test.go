package consume_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
)

// orders and stocks are the events of the databases in testdata/before.
type happened struct {
	N int `json:"n"`
}

var (
	orders = eventus.Foreign("order", eventus.Known("happened", func(e happened) happened { return e }))
	stocks = eventus.Foreign("stock", eventus.Known("happened", func(e happened) happened { return e }))
)

func streamOf(category, id string) store.Stream { return store.Stream{Category: category, ID: id} }

// adoptable is a database of a store with a table of effects, one row for each
// effect of a consumer's handler.
type adoptable[Tx any] interface {
	store.Store
	store.Log
	store.Inbox[Tx]
	store.Consumers[Tx]
	exec(ctx context.Context, tx Tx, query string, args ...any) error
	texts(ctx context.Context, tx Tx, query string, args ...any) ([]string, error)
}

// before makes a database out of a file in testdata/before, with changes by some
// statements, and migrates it. {data} and {time} in a statement are any data and
// time of the database.
type before[Tx any] func(t *testing.T, changes ...string) adoptable[Tx]

// adoption is a database of the version before, migrated, and the log that its
// consumers follow. The log can be in another database.
type adoption[Tx any] struct {
	*testing.T
	log interface {
		store.Store
		store.Log
	}
	db       adoptable[Tx]
	appended int
}

// rows returns what a query returns, each row as one string.
func (a *adoption[Tx]) rows(query string, args ...any) (rows []string) {
	a.Helper()
	err := a.db.InTx(a.Context(), func(ctx context.Context, tx Tx) (err error) {
		rows, err = a.db.texts(ctx, tx, query, args...)
		return err
	})
	if err != nil {
		a.Fatal(err)
	}
	return rows
}

// run runs a consumer that has never failed until the test ends.
func (a *adoption[Tx]) run(name string, sources ...*eventus.EventTable[happened]) *consume.Follower[Tx] {
	a.Helper()
	routes := []consume.Route[Tx]{consume.OnReset(func(ctx context.Context, tx Tx) error {
		return a.db.exec(ctx, tx, `DELETE FROM effects WHERE consumer = $1`, name)
	})}
	for _, source := range sources {
		routes = append(routes, consume.On(source, func(ctx context.Context, tx Tx, m eventus.Message[happened]) error {
			return a.db.exec(ctx, tx, `INSERT INTO effects (consumer, category, stream_id, version, event_id)
				VALUES ($1, $2, $3, (SELECT count(*) + 1 FROM effects WHERE consumer = $1 AND category = $2 AND stream_id = $3), $4)`,
				name, m.Stream.Category, m.Stream.ID, m.ID)
		}))
	}
	f := consume.Follow(name, consume.Across[Tx](a.log, a.db), consume.Config{BatchSize: 3, MaxPollInterval: 10 * time.Millisecond}, routes...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	a.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			a.Errorf("Run of %s: %v", name, err)
		}
	})
	return f
}

func (a *adoption[Tx]) append(category string, ids ...string) {
	a.Helper()
	for _, id := range ids {
		e, err := orders.Encode(happened{})
		if err != nil {
			a.Fatal(err)
		}
		a.appended++
		e.ID, e.Time = fmt.Sprintf("after-%d", a.appended), time.Now()
		if _, err := a.log.Append(a.Context(), streamOf(category, id), store.Any, []store.Event{e}); err != nil {
			a.Fatal(err)
		}
	}
}

// events returns the ids of the log's events by stream, in order of version.
func (a *adoption[Tx]) events(categories ...string) map[store.Stream][]string {
	a.Helper()
	all := make(map[store.Stream][]string)
	for after := int64(0); ; {
		page, err := a.log.ReadAll(a.Context(), after, 1000)
		if err != nil {
			a.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		for _, m := range page {
			after = m.Position
			if slices.Contains(categories, m.Stream.Category) {
				all[m.Stream] = append(all[m.Stream], m.ID)
			}
		}
	}
}

// settle waits until a follower has come through the log, without the streams
// that wait for an operator.
func (a *adoption[Tx]) settle(f *consume.Follower[Tx], categories []string, except ...store.Stream) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), time.Minute)
	defer cancel()
	for stream, ids := range a.events(categories...) {
		if slices.Contains(except, stream) {
			continue
		}
		if err := f.Wait(ctx, stream, int64(len(ids))); err != nil {
			a.Fatal(err)
		}
	}
}

// exact fails unless each event of the log has had its effect once and in order.
// Of a stream in upTo, only so many events may have had one.
func (a *adoption[Tx]) exact(consumer string, categories []string, upTo map[store.Stream]int) {
	a.Helper()
	for stream, ids := range a.events(categories...) {
		if n, ok := upTo[stream]; ok {
			ids = ids[:n]
		}
		got := a.rows(`SELECT event_id FROM effects WHERE consumer = $1 AND category = $2 AND stream_id = $3 ORDER BY version`,
			consumer, stream.Category, stream.ID)
		if !slices.Equal(got, ids) {
			a.Errorf("%s: effects of %s are\n%s\nwant\n%s", consumer, stream, strings.Join(got, "\n"), strings.Join(ids, "\n"))
		}
	}
}

// parked returns the reasons and versions of the parked streams of a consumer.
func (a *adoption[Tx]) parked(consumer string) map[store.Stream]string {
	a.Helper()
	rows, err := a.db.ListParked(a.Context(), store.ConsumerID{Name: consumer}, store.Stream{}, 1000)
	if err != nil {
		a.Fatal(err)
	}
	parked := make(map[store.Stream]string)
	for _, p := range rows {
		parked[p.Stream] = fmt.Sprintf("%s %d", p.Reason, p.Version)
	}
	return parked
}

// ask asks for something, about one stream if it is given.
func (a *adoption[Tx]) ask(consumer string, action store.Action, stream ...store.Stream) {
	a.Helper()
	r := store.Request{Consumer: store.ConsumerID{Name: consumer}, Action: action, Actor: "test"}
	if len(stream) > 0 {
		r.Stream = stream[0]
	}
	if _, err := consume.Ask(a.Context(), a.db, r); err != nil {
		a.Fatal(err)
	}
}

var board = []string{"order", "stock"}

func TestAdoptedConsumersGoOn(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); adoptedConsumersGoOn(t, beforeSQLite) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); adoptedConsumersGoOn(t, beforePostgres) })
}

func adoptedConsumersGoOn[Tx any](t *testing.T, open before[Tx]) {
	// noEvents makes the database one that has the inbox alone.
	noEvents := []string{`DELETE FROM event_store`, `DELETE FROM outbox`}

	t.Run("with the log in the same database", func(t *testing.T) {
		db := open(t)
		a := &adoption[Tx]{T: t, log: db, db: db}
		got, want := a.parked("board"), map[store.Stream]string{
			streamOf("order", "done"): "waiting 4", streamOf("order", "new"): "waiting 3", streamOf("order", "poison"): "poison 2",
			streamOf("stock", "done"): "waiting 3", streamOf("stock", "new"): "waiting 2", streamOf("stock", "refused"): "poison 1",
		}
		// In one of the databases the board's position is that of the first event
		// of this stream, in the other it is the one before.
		if waits := streamOf("order", "waits"); got[waits] != "" {
			want[waits] = "waiting 2"
		}
		if !maps.Equal(got, want) {
			t.Errorf("the board's parked streams are %v, want %v", got, want)
		}
		if got := a.parked("mails"); len(got) != 0 {
			t.Errorf("the mails' parked streams are %v, want none", got)
		}
		a.goOn()
	})
	t.Run("with the log in another database", func(t *testing.T) {
		a := &adoption[Tx]{T: t, log: open(t), db: open(t, noEvents...)}
		if got := a.parked("mails"); len(got) != 5 {
			t.Errorf("the mails' parked streams are %v, want all five that have a mark", got)
		}
		a.goOn()
	})
	t.Run("which the broker alone feeds, stay as they are", func(t *testing.T) {
		db := open(t)
		err := db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			marks, err := db.Marks(ctx, tx, "live", []store.Stream{streamOf("stock", "done"), streamOf("stock", "refused")})
			if err == nil && (marks[0].Version != 2 || marks[0].Reason != "" || marks[1].Version != 0 || marks[1].Reason != store.Poison) {
				t.Errorf("marks %+v", marks)
			}
			if err != nil {
				return err
			}
			// The dead letters of before wait in a queue, and can be redriven.
			q, ok, err := db.FindQueue(ctx, tx, "live", streamOf("stock", "refused"))
			if err != nil || !ok || q.Version != 1 || q.Messages == 0 || q.Error == "" {
				t.Errorf("queue %+v, %v", q, err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		consumers, _, err := db.ListConsumers(t.Context())
		if err != nil || len(consumers) != 2 || consumers[0].Name != "board" || consumers[1].Name != "mails" {
			t.Errorf("consumers %+v, error %v", consumers, err)
		}
	})
	t.Run("which the broker alone has fed, follow the log once they have a position", func(t *testing.T) {
		db := open(t, `INSERT INTO inbox (consumer, category, stream_id, version) VALUES ('live', 'stock', '', 0)`)
		a := &adoption[Tx]{T: t, log: db, db: db}
		f := a.run("live", stocks)
		a.append("stock", "done", "new", "refused", "fresh")
		a.ask("live", store.Redrive)
		a.drain("live")
		a.settle(f, []string{"stock"})
		a.exact("live", []string{"stock"}, nil)
	})
	t.Run("have a forked stream, when the log has lost what they have handled of it", func(t *testing.T) {
		db := open(t, `DELETE FROM event_store WHERE position IN (17, 25)`, `DELETE FROM outbox WHERE position IN (17, 25)`)
		a := &adoption[Tx]{T: t, log: db, db: db}
		f := a.run("board", orders, stocks)
		forked := streamOf("stock", "done")
		except := []store.Stream{forked, streamOf("order", "poison"), streamOf("stock", "refused")}
		a.settle(f, board, except...)
		a.ask("board", store.Redrive, forked)
		a.append("order", "done")
		a.settle(f, board, except...)
		for deadline := time.Now().Add(time.Minute); a.parked("board")[forked] != "forked 3" || a.pending("board") > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the stream is parked as %q after its redrive, want forked", a.parked("board")[forked])
			}
		}
		a.ask("board", store.Rebuild)
		a.settleRebuilt(f)
		a.exact("board", board, nil)
	})
	t.Run("forked, when the log has lost what they have handled", func(t *testing.T) {
		db := open(t, `DELETE FROM event_store WHERE position > 16`, `DELETE FROM outbox WHERE position > 16`)
		a := &adoption[Tx]{T: t, log: db, db: db}
		f := a.run("board", orders, stocks)
		if state, err := f.State(t.Context()); err != nil || state.Status != consume.ForkedLog {
			t.Errorf("state %+v, error %v, want %s", state, err, consume.ForkedLog)
		}
		if got := a.parked("board")[streamOf("stock", "done")]; got != "forked 3" {
			t.Errorf("the stream whose second event is lost is parked as %q", got)
		}
		a.append("stock", "done", "new")
		a.ask("board", store.Rebuild)
		a.settleRebuilt(f)
		a.exact("board", board, nil)
	})
}

// goOn runs the adopted consumers, and finds the effect of each event once: those
// of before, those that were missing, and those of what is appended now.
func (a *adoption[Tx]) goOn() {
	a.Helper()
	poison := map[store.Stream]int{streamOf("order", "poison"): 1, streamOf("stock", "refused"): 0}
	a.append("order", "done", "waits", "fresh")
	boards, mails := a.run("board", orders, stocks), a.run("mails", orders)
	a.append("order", "done", "new", "poison", "late")
	a.append("stock", "done", "new", "refused", "fresh")
	a.settle(boards, board, slices.Collect(maps.Keys(poison))...)
	a.settle(mails, []string{"order"})
	a.exact("board", board, poison)
	a.exact("mails", []string{"order"}, nil)

	a.ask("board", store.Redrive)
	a.append("order", "poison", "done")
	a.drain("board")
	a.drain("mails")
	a.settle(boards, board)
	a.settle(mails, []string{"order"})
	a.exact("board", board, nil)
	a.exact("mails", []string{"order"}, nil)
}

// pending counts the requests that are not carried out yet.
func (a *adoption[Tx]) pending(consumer string) int {
	a.Helper()
	requests, err := a.db.PendingRequests(a.Context(), store.ConsumerID{Name: consumer})
	if err != nil {
		a.Fatal(err)
	}
	return len(requests)
}

// drain waits until a consumer has no parked stream.
func (a *adoption[Tx]) drain(consumer string) {
	a.Helper()
	for deadline := time.Now().Add(time.Minute); len(a.parked(consumer)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.Fatalf("%s still has parked streams: %v", consumer, a.parked(consumer))
		}
	}
}

// settleRebuilt waits until the board is rebuilt and has come through
// the log.
func (a *adoption[Tx]) settleRebuilt(f *consume.Follower[Tx]) {
	a.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		pending := a.pending("board")
		state, err := f.State(a.Context())
		if err != nil {
			a.Fatal(err)
		}
		if pending == 0 && state.Rebuild == 0 && state.Status == consume.Running && state.AtHead() {
			return
		}
		if time.Now().After(deadline) {
			a.Fatalf("the consumer is not rebuilt: %+v", state)
		}
	}
}
