package product_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	. "github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// readModel is product_views in one of the databases.
type readModel struct {
	Views
	// apply projects messages in a transaction.
	apply func(...eventus.Message[Event]) error
}

func onSQLite(t *testing.T) readModel {
	db := openDB(t)
	views, err := OpenSQLiteViews(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return readModel{views, func(messages ...eventus.Message[Event]) error {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := project(t.Context(), tx, views, messages); err != nil {
			return err
		}
		return tx.Commit()
	}}
}

func onPostgres(t *testing.T) readModel {
	pool := pgtest.Pool(t)
	views, err := OpenPostgresViews(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return readModel{views, func(messages ...eventus.Message[Event]) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return project(t.Context(), tx, views, messages) })
	}}
}

func project[Tx any](ctx context.Context, tx Tx, views ViewWriter[Tx], messages []eventus.Message[Event]) error {
	p := NewProjection(views)
	for _, m := range messages {
		if err := p.Handle(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// onEach runs a test on each database.
func onEach(t *testing.T, test func(t *testing.T, open func(*testing.T) readModel)) {
	t.Run("SQLite", func(t *testing.T) { test(t, onSQLite) })
	t.Run("Postgres", func(t *testing.T) { test(t, onPostgres) })
}

// messages are events as versions 1, 2, 3 of the product p-1.
func messages(events ...Event) []eventus.Message[Event] {
	all := make([]eventus.Message[Event], len(events))
	for i, e := range events {
		all[i] = eventus.Message[Event]{
			Stream: eventus.Stream{Category: "product", ID: "p-1"}, Version: int64(i + 1), Event: e,
		}
	}
	return all
}

func TestProjection(t *testing.T) { onEach(t, testProjection) }

func testProjection(t *testing.T, open func(*testing.T) readModel) {
	for _, c := range []struct {
		sentence string
		events   []Event
		want     View
	}{
		{"a created product gets a row", []Event{widget},
			View{ID: "p-1", Name: "Widget", Price: eur(1299), Version: 1, Changes: 1}},
		{"a new price changes it", []Event{widget, Repriced{eur(1499)}},
			View{ID: "p-1", Name: "Widget", Price: eur(1499), Version: 2, Changes: 2}},
		{"a new name changes it", []Event{widget, Renamed{"Gadget"}},
			View{ID: "p-1", Name: "Gadget", Price: eur(1299), Version: 2, Changes: 2}},
		{"its end is noted", []Event{widget, Renamed{"Gadget"}, Discontinued{}},
			View{ID: "p-1", Name: "Gadget", Price: eur(1299), Discontinued: true, Version: 3, Changes: 3}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			views := open(t)
			if err := views.apply(messages(c.events...)...); err != nil {
				t.Fatal(err)
			}
			got, err := views.Get(t.Context(), "p-1")
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("-want +got, %v:\n%s", err, diff)
			}
		})
	}
}

func TestProjectionByMistake(t *testing.T) { onEach(t, testProjectionByMistake) }

func testProjectionByMistake(t *testing.T, open func(*testing.T) readModel) {
	views, all := open(t), messages(widget, Renamed{"Gadget"}, nil)

	t.Run("a change without a row is an error", func(t *testing.T) {
		if err := views.apply(all[1]); !errors.Is(err, eventus.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an event that means nothing here is an error", func(t *testing.T) {
		if err := views.apply(all[2]); err == nil {
			t.Error("no error")
		}
	})
	t.Run("an effect that happens twice shows in changes alone", func(t *testing.T) {
		if err := views.apply(all[0], all[1], all[1]); err != nil {
			t.Fatal(err)
		}
		if got, err := views.Get(t.Context(), "p-1"); err != nil || got.Version != 2 || got.Changes != 3 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("a row that is not there is not found", func(t *testing.T) {
		if _, err := views.Get(t.Context(), "nobody"); !errors.Is(err, eventus.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// Whatever the collation of the database is.
func TestIDsAreListedInTheOrderOfTheirBytes(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) readModel) {
		views := open(t)
		want := []string{" ", "A", "B", "a", "aB", "a b", "b", "É", "é", "日本"}
		slices.Sort(want)
		for _, i := range rand.Perm(len(want)) {
			m := messages(widget)[0]
			m.Stream.ID = want[i]
			if err := views.apply(m); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for after := ""; ; after = got[len(got)-1] {
			page, err := views.List(t.Context(), after, 3)
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
	})
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
	if err := s.runner.Rebuild(t.Context(), NewProjection(s.views).Reset); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		s.send("GET", fmt.Sprintf("/products/p-%d?wait=2", i), "")
	}
	wantViewsEqualStore(t, s)
}

func TestMigrations(t *testing.T) {
	ctx, db := context.Background(), openDB(t)
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
