package product

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// MigratePostgres brings the tables of this service, in the first schema of the
// search_path, to the form that this program knows, in one transaction. Processes
// that migrate at once wait for each other. The files in migrations/postgres are
// numbered from 1 without holes and are never changed once released. A database
// that has had more migrations than there are files is [store.ErrNewerSchema].
func MigratePostgres(ctx context.Context, pool *pgxpool.Pool) error {
	files, err := fs.Glob(postgresMigrations, "migrations/postgres/*.sql")
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		done, err := migrationsDonePostgres(ctx, tx)
		if err != nil {
			return err
		}
		if done > len(files) {
			return fmt.Errorf("the database has migration %d, this program knows %d: %w", done, len(files), store.ErrNewerSchema)
		}
		for i, file := range files[done:] {
			if err := migratePostgres(ctx, tx, file, done+i+1); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("migrate product_views: %w", err)
	}
	return nil
}

func migrationsDonePostgres(ctx context.Context, tx pgx.Tx) (n int, err error) {
	const (
		lock  = `SELECT pg_advisory_xact_lock(hashtextextended('product_migrations.' || current_schema(), 0))`
		table = `CREATE TABLE IF NOT EXISTS product_migrations (number integer PRIMARY KEY)`
	)
	if _, err := tx.Exec(ctx, lock); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, table); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM product_migrations`).Scan(&n)
	return n, err
}

func migratePostgres(ctx context.Context, tx pgx.Tx, file string, number int) error {
	statements, err := postgresMigrations.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, string(statements)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO product_migrations (number) VALUES ($1)`, number)
	return err
}
