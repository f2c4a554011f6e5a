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

// PostgresViews is product_views in PostgreSQL, in the database of the events. It
// is safe for concurrent use.
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

// Get implements [Views].
func (v *PostgresViews) Get(ctx context.Context, id string) (View, error) {
	view, err := scanView(v.pool.QueryRow(ctx, getView, id))
	if errors.Is(err, pgx.ErrNoRows) {
		err = eventus.ErrNotFound
	}
	if err != nil {
		return View{}, fmt.Errorf("product %q: %w", id, err)
	}
	return view, nil
}

// List implements [Views].
func (v *PostgresViews) List(ctx context.Context, after string, limit int) ([]View, error) {
	rows, err := v.pool.Query(ctx, listViews, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	views, err := pgx.CollectRows(rows, scanView[pgx.CollectableRow])
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	return views, nil
}

// Insert implements [ViewWriter].
func (v *PostgresViews) Insert(ctx context.Context, tx pgx.Tx, id string, version int64, name string, price Money) error {
	return v.change(ctx, tx, id, insertView, id, version, name, price.Amount, price.Currency)
}

// SetName implements [ViewWriter].
func (v *PostgresViews) SetName(ctx context.Context, tx pgx.Tx, id string, version int64, name string) error {
	return v.change(ctx, tx, id, setViewName, name, version, id)
}

// SetPrice implements [ViewWriter].
func (v *PostgresViews) SetPrice(ctx context.Context, tx pgx.Tx, id string, version int64, price Money) error {
	return v.change(ctx, tx, id, setViewPrice, price.Amount, price.Currency, version, id)
}

// SetDiscontinued implements [ViewWriter].
func (v *PostgresViews) SetDiscontinued(ctx context.Context, tx pgx.Tx, id string, version int64) error {
	return v.change(ctx, tx, id, setViewDiscontinued, version, id)
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
	_, err := tx.Exec(ctx, clearViews)
	return err
}
