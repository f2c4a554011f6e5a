package product

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventus-go/eventus"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	_ Views              = (*PostgresViews)(nil)
	_ ViewWriter[pgx.Tx] = (*PostgresViews)(nil)
)

// PostgresViews is product_views in PostgreSQL, in the database of the inbox. It is
// safe for concurrent use.
type PostgresViews struct {
	pool *pgxpool.Pool
}

// OpenPostgresViews returns the read model in pool, after [MigratePostgres].
func OpenPostgresViews(ctx context.Context, pool *pgxpool.Pool) (*PostgresViews, error) {
	if err := MigratePostgres(ctx, pool); err != nil {
		return nil, err
	}
	return &PostgresViews{pool}, nil
}

const getViewPostgres = `
SELECT id, name, amount, currency, discontinued, version, changes
FROM product_views WHERE id = $1`

// Get implements [Views].
func (v *PostgresViews) Get(ctx context.Context, id string) (View, error) {
	rows, err := v.pool.Query(ctx, getViewPostgres, id)
	if err != nil {
		return View{}, fmt.Errorf("product %q: %w", id, err)
	}
	view, err := pgx.CollectExactlyOneRow(rows, scanViewPostgres)
	if errors.Is(err, pgx.ErrNoRows) {
		err = eventus.ErrNotFound
	}
	if err != nil {
		return View{}, fmt.Errorf("product %q: %w", id, err)
	}
	return view, nil
}

const listViewsPostgres = `
SELECT id, name, amount, currency, discontinued, version, changes
FROM product_views WHERE id > $1 ORDER BY id LIMIT $2`

// List implements [Views].
func (v *PostgresViews) List(ctx context.Context, after string, limit int) ([]View, error) {
	rows, err := v.pool.Query(ctx, listViewsPostgres, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	views, err := pgx.CollectRows(rows, scanViewPostgres)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	return views, nil
}

func scanViewPostgres(row pgx.CollectableRow) (v View, err error) {
	err = row.Scan(&v.ID, &v.Name, &v.Price.Amount, &v.Price.Currency, &v.Discontinued, &v.Version, &v.Changes)
	return v, err
}

const insertViewPostgres = `
INSERT INTO product_views (id, version, name, amount, currency, discontinued, changes)
VALUES ($1, $2, $3, $4, $5, FALSE, 1)`

// Insert implements [ViewWriter].
func (v *PostgresViews) Insert(ctx context.Context, tx pgx.Tx, id string, version int64, name string, price Money) error {
	return v.change(ctx, tx, id, insertViewPostgres, id, version, name, price.Amount, price.Currency)
}

const setViewNamePostgres = `
UPDATE product_views SET name = $1, version = $2, changes = changes + 1 WHERE id = $3`

// SetName implements [ViewWriter].
func (v *PostgresViews) SetName(ctx context.Context, tx pgx.Tx, id string, version int64, name string) error {
	return v.change(ctx, tx, id, setViewNamePostgres, name, version, id)
}

const setViewPricePostgres = `
UPDATE product_views SET amount = $1, currency = $2, version = $3, changes = changes + 1 WHERE id = $4`

// SetPrice implements [ViewWriter].
func (v *PostgresViews) SetPrice(ctx context.Context, tx pgx.Tx, id string, version int64, price Money) error {
	return v.change(ctx, tx, id, setViewPricePostgres, price.Amount, price.Currency, version, id)
}

const setViewDiscontinuedPostgres = `
UPDATE product_views SET discontinued = TRUE, version = $1, changes = changes + 1 WHERE id = $2`

// SetDiscontinued implements [ViewWriter].
func (v *PostgresViews) SetDiscontinued(ctx context.Context, tx pgx.Tx, id string, version int64) error {
	return v.change(ctx, tx, id, setViewDiscontinuedPostgres, version, id)
}

// change runs a statement that writes the one row of a product.
func (v *PostgresViews) change(ctx context.Context, tx pgx.Tx, id, statement string, args ...any) error {
	result, err := tx.Exec(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("product_views, row %q: %w", id, err)
	}
	if n := result.RowsAffected(); n != 1 {
		return fmt.Errorf("product_views, row %q: %d rows changed, want 1: %w", id, n, eventus.ErrNotFound)
	}
	return nil
}

// Clear implements [ViewWriter].
func (v *PostgresViews) Clear(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM product_views`)
	return err
}
