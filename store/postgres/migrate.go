package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrationFiles are the names of the migrations in their order.
var migrationFiles = func() (names []string) {
	entries, err := embedded.ReadDir("migrations")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}()

// Migrations returns the migrations as files: 0001_store.sql and so on, without
// gaps, never changed once released. Their statements name no schema, so that
// they run in the first schema of the search_path, each in a transaction. Whoever
// runs them by another tool than [Migrate] adds each file's number to the table
// eventus_migrations in the same transaction: [Open] looks at it.
func Migrations() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the path is valid
	}
	return files
}

// Migrate brings the store's schema up to date and creates it if need be. It
// only goes forward: each migration runs in a transaction of its own, under a lock
// that lets many processes call it at once. Programs of the version before fail
// from then on and lose nothing (docs/upgrade.md).
//
// It returns [store.ErrNewerSchema] for a schema that a newer program has made.
func Migrate(ctx context.Context, pool *pgxpool.Pool, config Config) error {
	server, err := check(ctx, pool, config)
	if err != nil {
		return err
	}
	schema := server.schema
	version, err := schemaVersion(ctx, pool, schema)
	for err == nil && version < len(migrationFiles) {
		version, err = migrateNext(ctx, pool, schema)
	}
	switch {
	case sqlState(err) == "42501":
		return fmt.Errorf("%w: give the role the right: GRANT CREATE, USAGE ON SCHEMA %s (or ON DATABASE, if the schema is not there yet)",
			err, pgx.Identifier{schema}.Sanitize())
	case err != nil:
		return err
	case version > len(migrationFiles):
		return newerSchema(schema, version)
	}
	return nil
}

func newerSchema(schema string, version int) error {
	return fmt.Errorf("%w: schema %s is at version %d of the store's tables, this program knows %d: upgrade the program",
		store.ErrNewerSchema, schema, version, len(migrationFiles))
}

// A look into the catalog by a query has a snapshot. Functions such as to_regclass
// answer from a cache, which may be older than a lock that was waited for.
const (
	tableThereSQL  = `SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'eventus_migrations')`
	schemaThereSQL = `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)`
)

// schemaVersion is the number of the last migration that has run, 0 before the
// first.
func schemaVersion(ctx context.Context, db querier, schema string) (version int, err error) {
	table := pgx.Identifier{schema, "eventus_migrations"}.Sanitize()
	var there bool
	if err := db.QueryRow(ctx, tableThereSQL, schema).Scan(&there); err != nil {
		return 0, fmt.Errorf("look for the schema's version: %w", err)
	}
	if !there {
		return 0, nil
	}
	if err := db.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM `+table).Scan(&version); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}

// migrateNext runs the next migration, if there is still one once it has the
// lock, and returns the version then.
func migrateNext(ctx context.Context, pool *pgxpool.Pool, schema string) (version int, err error) {
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, int32(migrationLock), schema); err != nil {
			return fmt.Errorf("lock the schema: %w", err)
		}
		if version, err = schemaVersion(ctx, tx, schema); err != nil || version >= len(migrationFiles) {
			return err
		}
		name := migrationFiles[version]
		if err := runMigration(ctx, tx, schema, name, version+1); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
		version++
		return nil
	})
	return version, err
}

// migrationLock is the first half of the key of the lock that migrations take,
// the schema's being the second. It is "evnm".
const migrationLock = 0x65766e6d

func runMigration(ctx context.Context, tx pgx.Tx, schema, name string, version int) error {
	script, err := embedded.ReadFile("migrations/" + name)
	if err != nil {
		return err
	}
	quoted := pgx.Identifier{schema}.Sanitize()
	var there bool
	if err := tx.QueryRow(ctx, schemaThereSQL, schema).Scan(&there); err != nil {
		return err
	}
	if !there { // asked first, because IF NOT EXISTS needs the right to create one all the same
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+quoted); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `SET LOCAL search_path TO `+quoted); err != nil {
		return err
	}
	// Only the simple protocol takes several statements at once.
	if _, err := tx.Conn().PgConn().Exec(ctx, string(script)).ReadAll(); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO eventus_migrations (version) VALUES ($1)`, version)
	return err
}
