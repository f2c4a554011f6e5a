package product_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/eventus-go/eventus"
	. "github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/google/go-cmp/cmp"
)

// apply handles events as versions 1, 2, 3 of the product p-1, in a transaction.
func apply(t *testing.T, db *sql.DB, p Projection[*sql.Tx], messages ...eventus.Message[Event]) error {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, m := range messages {
		if err := p.Handle(t.Context(), tx, m); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func messages(events ...Event) []eventus.Message[Event] {
	all := make([]eventus.Message[Event], len(events))
	for i, e := range events {
		all[i] = eventus.Message[Event]{
			Stream: eventus.Stream{Category: "product", ID: "p-1"}, Version: int64(i + 1), Event: e,
		}
	}
	return all
}

func TestProjection(t *testing.T) {
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
			db := openDB(t)
			views, err := OpenSQLiteViews(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			if err := apply(t, db, NewProjection(views), messages(c.events...)...); err != nil {
				t.Fatal(err)
			}
			got, err := views.Get(t.Context(), "p-1")
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("-want +got, %v:\n%s", err, diff)
			}
		})
	}
}

func TestProjectionByMistake(t *testing.T) {
	db := openDB(t)
	views, err := OpenSQLiteViews(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	p, all := NewProjection(views), messages(widget, Renamed{"Gadget"}, nil)

	t.Run("a change without a row is an error", func(t *testing.T) {
		if err := apply(t, db, p, all[1]); !errors.Is(err, eventus.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an event that means nothing here is an error", func(t *testing.T) {
		if err := apply(t, db, p, all[2]); err == nil {
			t.Error("no error")
		}
	})
	t.Run("an effect that happens twice shows in changes alone", func(t *testing.T) {
		if err := apply(t, db, p, all[0], all[1], all[1]); err != nil {
			t.Fatal(err)
		}
		if got, err := views.Get(t.Context(), "p-1"); err != nil || got.Version != 2 || got.Changes != 3 {
			t.Errorf("got %+v, %v", got, err)
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
