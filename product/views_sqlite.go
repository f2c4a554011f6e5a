package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/eventus-go/eventus"
)

var (
	_ Views               = (*SQLiteViews)(nil)
	_ ViewWriter[*sql.Tx] = (*SQLiteViews)(nil)
)

// SQLiteViews is product_views in SQLite, in the database of the inbox. It is
// safe for concurrent use.
type SQLiteViews struct {
	db *sql.DB
}

// OpenSQLiteViews returns the read model in db, after [MigrateSQLite].
func OpenSQLiteViews(ctx context.Context, db *sql.DB) (*SQLiteViews, error) {
	if err := MigrateSQLite(ctx, db); err != nil {
		return nil, err
	}
	return &SQLiteViews{db}, nil
}

const getViewSQLite = `
SELECT id, name, amount, currency, discontinued, version, changes
FROM product_views WHERE id = ?`

// Get implements [Views].
func (v *SQLiteViews) Get(ctx context.Context, id string) (View, error) {
	view, err := scanViewSQLite(v.db.QueryRowContext(ctx, getViewSQLite, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = eventus.ErrNotFound
	}
	if err != nil {
		return View{}, fmt.Errorf("product %q: %w", id, err)
	}
	return view, nil
}

const listViewsSQLite = `
SELECT id, name, amount, currency, discontinued, version, changes
FROM product_views WHERE id > ? ORDER BY id LIMIT ?`

// List implements [Views].
func (v *SQLiteViews) List(ctx context.Context, after string, limit int) ([]View, error) {
	rows, err := v.db.QueryContext(ctx, listViewsSQLite, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	defer rows.Close()
	var views []View
	for rows.Next() {
		view, err := scanViewSQLite(rows)
		if err != nil {
			return nil, fmt.Errorf("list products: %w", err)
		}
		views = append(views, view)
	}
	return views, rows.Err()
}

func scanViewSQLite(row interface{ Scan(...any) error }) (v View, err error) {
	err = row.Scan(&v.ID, &v.Name, &v.Price.Amount, &v.Price.Currency, &v.Discontinued, &v.Version, &v.Changes)
	return v, err
}

const insertViewSQLite = `
INSERT INTO product_views (id, version, name, amount, currency, discontinued, changes)
VALUES (?, ?, ?, ?, ?, FALSE, 1)`

// Insert implements [ViewWriter].
func (v *SQLiteViews) Insert(ctx context.Context, tx *sql.Tx, id string, version int64, name string, price Money) error {
	return v.change(ctx, tx, id, insertViewSQLite, id, version, name, price.Amount, price.Currency)
}

const setViewNameSQLite = `
UPDATE product_views SET name = ?, version = ?, changes = changes + 1 WHERE id = ?`

// SetName implements [ViewWriter].
func (v *SQLiteViews) SetName(ctx context.Context, tx *sql.Tx, id string, version int64, name string) error {
	return v.change(ctx, tx, id, setViewNameSQLite, name, version, id)
}

const setViewPriceSQLite = `
UPDATE product_views SET amount = ?, currency = ?, version = ?, changes = changes + 1 WHERE id = ?`

// SetPrice implements [ViewWriter].
func (v *SQLiteViews) SetPrice(ctx context.Context, tx *sql.Tx, id string, version int64, price Money) error {
	return v.change(ctx, tx, id, setViewPriceSQLite, price.Amount, price.Currency, version, id)
}

const setViewDiscontinuedSQLite = `
UPDATE product_views SET discontinued = TRUE, version = ?, changes = changes + 1 WHERE id = ?`

// SetDiscontinued implements [ViewWriter].
func (v *SQLiteViews) SetDiscontinued(ctx context.Context, tx *sql.Tx, id string, version int64) error {
	return v.change(ctx, tx, id, setViewDiscontinuedSQLite, version, id)
}

// change runs a statement that writes the one row of a product.
func (v *SQLiteViews) change(ctx context.Context, tx *sql.Tx, id, statement string, args ...any) error {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("product_views, row %q: %w", id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("product_views, row %q: %d rows changed, want 1: %w", id, n, errors.Join(err, eventus.ErrNotFound))
	}
	return nil
}

// Clear implements [ViewWriter].
func (v *SQLiteViews) Clear(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM product_views`)
	return err
}
