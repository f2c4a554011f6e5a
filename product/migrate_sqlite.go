package product

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/eventus-go/eventus/store"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// MigrateSQLite brings the tables of this service in db to the form that this
// program knows, in one transaction. The files in migrations/sqlite are
// numbered from 1 without holes and are never changed once released. A database
// that has had more migrations than there are files is [store.ErrNewerSchema].
func MigrateSQLite(ctx context.Context, db *sql.DB) error {
	files, err := fs.Glob(sqliteMigrations, "migrations/sqlite/*.sql")
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrate product_views: %w", err)
	}
	defer tx.Rollback()
	done, err := migrationsDone(ctx, tx)
	if err != nil {
		return fmt.Errorf("migrate product_views: %w", err)
	}
	if done > len(files) {
		return fmt.Errorf("product_views has migration %d, this program knows %d: %w", done, len(files), store.ErrNewerSchema)
	}
	for i, file := range files[done:] {
		if err := migrate(ctx, tx, file, done+i+1); err != nil {
			return fmt.Errorf("migrate product_views by %s: %w", file, err)
		}
	}
	return tx.Commit()
}

func migrationsDone(ctx context.Context, tx *sql.Tx) (n int, err error) {
	const table = `CREATE TABLE IF NOT EXISTS product_migrations (number INTEGER PRIMARY KEY) STRICT`
	if _, err := tx.ExecContext(ctx, table); err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `SELECT coalesce(max(number), 0) FROM product_migrations`).Scan(&n)
	return n, err
}

func migrate(ctx context.Context, tx *sql.Tx, file string, number int) error {
	statements, err := sqliteMigrations.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(statements)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO product_migrations (number) VALUES (?)`, number)
	return err
}
