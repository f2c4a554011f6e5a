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

// SQLiteViews is product_views in SQLite, in the database of the events. It is
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

// Get implements [Views].
func (v *SQLiteViews) Get(ctx context.Context, id string) (View, error) {
	view, err := scanView(v.db.QueryRowContext(ctx, getView, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = eventus.ErrNotFound
	}
	if err != nil {
		return View{}, fmt.Errorf("product %q: %w", id, err)
	}
	return view, nil
}

// List implements [Views].
func (v *SQLiteViews) List(ctx context.Context, after string, limit int) ([]View, error) {
	rows, err := v.db.QueryContext(ctx, listViews, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	defer rows.Close()
	var views []View
	for rows.Next() {
		view, err := scanView(rows)
		if err != nil {
			return nil, fmt.Errorf("list products: %w", err)
		}
		views = append(views, view)
	}
	return views, rows.Err()
}

// Insert implements [ViewWriter].
func (v *SQLiteViews) Insert(ctx context.Context, tx *sql.Tx, id string, version int64, name string, price Money) error {
	return v.change(ctx, tx, id, insertView, id, version, name, price.Amount, price.Currency)
}

// SetName implements [ViewWriter].
func (v *SQLiteViews) SetName(ctx context.Context, tx *sql.Tx, id string, version int64, name string) error {
	return v.change(ctx, tx, id, setViewName, name, version, id)
}

// SetPrice implements [ViewWriter].
func (v *SQLiteViews) SetPrice(ctx context.Context, tx *sql.Tx, id string, version int64, price Money) error {
	return v.change(ctx, tx, id, setViewPrice, price.Amount, price.Currency, version, id)
}

// SetDiscontinued implements [ViewWriter].
func (v *SQLiteViews) SetDiscontinued(ctx context.Context, tx *sql.Tx, id string, version int64) error {
	return v.change(ctx, tx, id, setViewDiscontinued, version, id)
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
	_, err := tx.ExecContext(ctx, clearViews)
	return err
}
