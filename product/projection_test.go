package product_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	. "github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// database is one of the databases that keep product_views, with the inbox in
// whose transactions eventustest calls the projection.
type database[Tx any] struct {
	inbox store.Inbox[Tx]
	views interface {
		Views
		ViewWriter[Tx]
	}
}

func onSQLite(t testing.TB) database[*sql.Tx] {
	db := openDB(t)
	inbox, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	views, err := OpenSQLiteViews(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return database[*sql.Tx]{inbox, views}
}

func onPostgres(t testing.TB) database[pgx.Tx] {
	pool := pgtest.Pool(t)
	if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	inbox, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	views, err := OpenPostgresViews(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return database[pgx.Tx]{inbox, views}
}

// model is the read model under test.
func (d database[Tx]) model() eventustest.ReadModel[Tx, Event, View] {
	return eventustest.Projection(d.inbox, NewProjection(d.views), d.views.Get)
}

func TestProjection(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testProjection(t, onSQLite) })
	t.Run("Postgres", func(t *testing.T) { testProjection(t, onPostgres) })
}

func testProjection[Tx any](t *testing.T, open func(testing.TB) database[Tx]) {
	t.Run("a created product gets a row", func(t *testing.T) {
		eventustest.ForProjection(t, Products, open(t).model()).
			Given(widget).
			Then(View{ID: eventustest.ID, Name: "Widget", Price: eur(1299), Version: 1, Changes: 1})
	})
	t.Run("a new price changes it", func(t *testing.T) {
		eventustest.ForProjection(t, Products, open(t).model()).
			Given(widget, Repriced{eur(1499)}).
			Then(View{ID: eventustest.ID, Name: "Widget", Price: eur(1499), Version: 2, Changes: 2})
	})
	t.Run("its end is noted", func(t *testing.T) {
		eventustest.ForProjection(t, Products, open(t).model()).
			Given(widget, Renamed{"Gadget"}, Discontinued{}).
			Then(View{ID: eventustest.ID, Name: "Gadget", Price: eur(1299), Discontinued: true, Version: 3, Changes: 3})
	})
	t.Run("another product has a row of its own", func(t *testing.T) {
		given := eventustest.ForProjection(t, Products, open(t).model()).
			Given(widget).
			Of("other").Given(widget, Renamed{"Gadget"})
		given.Then(View{ID: "other", Name: "Gadget", Price: eur(1299), Version: 2, Changes: 2})
		given.Of(eventustest.ID).Then(View{ID: eventustest.ID, Name: "Widget", Price: eur(1299), Version: 1, Changes: 1})
	})
	t.Run("a change without a row is an error", func(t *testing.T) {
		eventustest.ForProjection(t, Products, open(t).model()).Given(Renamed{"Gadget"}).ThenError(eventus.ErrNotFound)
	})
	t.Run("a row that is not there is not found", func(t *testing.T) {
		eventustest.ForProjection(t, Products, open(t).model()).Given(widget).Of("nobody").ThenError(eventus.ErrNotFound)
	})
	t.Run("an effect that happens twice shows in changes alone", func(t *testing.T) {
		d := open(t)
		err := d.inbox.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			return errors.Join(
				d.views.Insert(ctx, tx, "p-1", 1, "Widget", eur(1299)),
				d.views.SetName(ctx, tx, "p-1", 2, "Gadget"),
				d.views.SetName(ctx, tx, "p-1", 2, "Gadget"),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.views.Get(t.Context(), "p-1"); err != nil || got.Version != 2 || got.Changes != 3 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	// Whatever the collation of the database is.
	t.Run("products are listed in the order of the bytes of their ids", func(t *testing.T) { testList(t, open(t)) })
}

func testList[Tx any](t *testing.T, d database[Tx]) {
	want := []string{" ", "A", "B", "a", "aB", "a b", "b", "É", "é", "日本"}
	slices.Sort(want)
	err := d.inbox.InTx(t.Context(), func(ctx context.Context, tx Tx) (err error) {
		for _, i := range rand.Perm(len(want)) {
			err = errors.Join(err, d.views.Insert(ctx, tx, want[i], 1, "Widget", eur(1299)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		page, err := d.views.List(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page {
			got = append(got, row.ID)
		}
		if len(page) == 0 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnEventThatMeansNothingHereIsAnError(t *testing.T) {
	if err := NewProjection[*sql.Tx](nil).Handle(t.Context(), nil, eventus.Message[Event]{Type: "product.moved"}); err == nil {
		t.Error("no error")
	}
}

func openViews(t testing.TB) eventustest.ReadModel[*sql.Tx, Event, View] { return onSQLite(t).model() }

// Random histories, with repeats, rollbacks and one product before the other.
func TestProjectionLaws(t *testing.T) {
	eventustest.CheckProjection(t, Products, openViews, commands...)
}

// wantViewsEqualStore compares every row with the fold of its events, and
// reports rows that are missing or were changed more or less than once for each
// event.
func wantViewsEqualStore(t *testing.T, s *service) {
	t.Helper()
	products := eventus.NewRepository(s.events, Products)
	rows, err := s.views.List(t.Context(), "", 100_000)
	if err != nil {
		t.Fatal(err)
	}
	var versions int64
	for _, row := range rows {
		p, err := products.Load(t.Context(), row.ID)
		if err != nil {
			t.Fatal(err)
		}
		state := p.State()
		want := View{ID: row.ID, Name: state.Name, Price: state.Price, Discontinued: state.Discontinued, Version: p.Version(), Changes: p.Version()}
		if row != want {
			t.Errorf("row %+v\nwant %+v", row, want)
		}
		versions += row.Version
	}
	if stored := s.stored(); versions != int64(stored) {
		t.Errorf("the rows have %d versions, the store %d", versions, stored)
	}
}

func TestRebuild(t *testing.T) {
	s := start(t, Config{})
	for i := range 30 {
		s.send("POST", "/products", fmt.Sprintf(`{"id":"p-%d","name":"n","price":{"amount":1,"currency":"EUR"}}`, i))
		s.send("PUT", fmt.Sprintf("/products/p-%d/name", i), `{"name":"m"}`)
	}
	s.send("GET", "/products/p-29?wait=2", "")
	// Rows that no event has made: a rebuild takes them away.
	if _, err := s.db.Exec(`UPDATE product_views SET name = 'spoiled', changes = 7`); err != nil {
		t.Fatal(err)
	}
	s.ask(store.Request{Action: store.Rebuild})
	for done := false; !done; time.Sleep(time.Millisecond) {
		requests, err := s.events.ListRequests(t.Context(), "product_views", 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		done = !requests[0].DoneAt.IsZero()
	}
	for i := range 30 {
		s.send("GET", fmt.Sprintf("/products/p-%d?wait=2", i), "")
	}
	wantViewsEqualStore(t, s)
}

func TestMigrations(t *testing.T) {
	ctx, db := context.Background(), openFile(t, filepath.Join(t.TempDir(), "new.db"))
	for range 2 {
		if err := MigrateSQLite(ctx, db); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(`INSERT INTO product_migrations (number) VALUES (2)`); err != nil {
		t.Fatal(err)
	}
	if err := MigrateSQLite(ctx, db); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("got %v, want that the schema is newer", err)
	}
}
