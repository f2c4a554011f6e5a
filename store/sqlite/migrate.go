package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// migrations are numbered from 0001 without gaps and never change once
// released. PRAGMA user_version counts those that have run.
//
//go:embed migrations/*.sql
var migrations embed.FS

func migrate(ctx context.Context, conn *sql.Conn) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	for {
		version, err := schemaVersion(ctx, conn)
		if err != nil {
			return err
		}
		if version > len(files) {
			return fmt.Errorf("%w: the database has schema %d, this program knows %d: upgrade the program",
				store.ErrNewerSchema, version, len(files))
		}
		if version == len(files) {
			return nil
		}
		name := files[version].Name()
		script, err := migrations.ReadFile("migrations/" + name)
		if err != nil {
			return err
		}
		if err := migrateOne(ctx, conn, version, string(script)); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
}

// migrateOne runs script and counts it in one transaction, unless another
// process has been first.
func migrateOne(ctx context.Context, conn *sql.Conn, version int, script string) (err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	if now, err := schemaVersion(ctx, conn); err != nil {
		return err
	} else if now == version {
		count := fmt.Sprintf("PRAGMA user_version = %d", version+1)
		if _, err := conn.ExecContext(ctx, script+count); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

func schemaVersion(ctx context.Context, conn *sql.Conn) (version int, err error) {
	err = conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}
