package product

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Every statement on a filled product_views goes by the primary key, without a
// scan of the table or a sort.
func TestPlansPostgres(t *testing.T) {
	pool := pgtest.Pool(t)
	if err := MigratePostgres(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO product_views SELECT 'p-' || n, 'Widget', 1299, 'EUR', false, 1, 1 FROM generate_series(1, 20000) AS n`,
		`ANALYZE product_views`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		statement string
		args      []any
	}{
		"get":              {getView, []any{"p-7"}},
		"list":             {listViews, []any{"p-7", 50}},
		"set name":         {setViewName, []any{"Gadget", 2, "p-7"}},
		"set price":        {setViewPrice, []any{1, "EUR", 2, "p-7"}},
		"set discontinued": {setViewDiscontinued, []any{2, "p-7"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := planPostgres(t, pool, c.statement, c.args)
			if !strings.Contains(got, "product_views_pkey") || strings.Contains(got, "Seq Scan") || strings.Contains(got, "Sort") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func planPostgres(t *testing.T, pool *pgxpool.Pool, statement string, args []any) string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "EXPLAIN "+statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestManyProcessesMigrateAtOnce(t *testing.T) {
	pool := pgtest.Pool(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := MigratePostgres(context.WithoutCancel(t.Context()), pool); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, err := pool.Exec(t.Context(), `INSERT INTO product_migrations (number) VALUES (1000)`); err != nil {
		t.Fatal(err)
	}
	if err := MigratePostgres(t.Context(), pool); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("a newer database: got %v", err)
	}
}
