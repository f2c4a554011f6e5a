package consume_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// schemaDisk is a schema of a PostgreSQL database. Its backups are schemas too,
// which hold what a dump does: the rows and the sequences.
type schemaDisk struct {
	rig
	pool *pgxpool.Pool
	name string
	n    int
}

func newSchemaDisk(t testing.TB) disk {
	pool := pgtest.Pool(t)
	d := &schemaDisk{rig: onPool(t, pool), pool: pool}
	if err := pool.QueryRow(t.Context(), "SELECT current_schema()").Scan(&d.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for k := range d.n {
			if _, err := pool.Exec(context.Background(), fmt.Sprintf("DROP SCHEMA %s CASCADE", d.copyOf(k))); err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

func (d *schemaDisk) copyOf(k int) string { return fmt.Sprintf("%s_%d", d.name, k) }
func (d *schemaDisk) backups() int        { return d.n }

const (
	tablesSQL    = `SELECT tablename FROM pg_tables WHERE schemaname = $1`
	sequencesSQL = `SELECT format('SELECT setval(%L, %s, %L)', $1 || '.' || sequencename, coalesce(last_value, 1), last_value IS NOT NULL) FROM pg_sequences WHERE schemaname = $1`
)

func (d *schemaDisk) backup(t testing.TB) {
	d.transaction(t, pgx.RepeatableRead, func(ctx context.Context, tx pgx.Tx) error {
		tables, err := texts(ctx, tx, tablesSQL, d.name)
		if err != nil {
			return err
		}
		sequences, err := texts(ctx, tx, sequencesSQL, d.name)
		if err != nil {
			return err
		}
		script := []string{fmt.Sprintf("CREATE SCHEMA %s; CREATE TABLE %[1]s.of_sequences (script text)", d.copyOf(d.n))}
		for _, table := range tables {
			script = append(script, fmt.Sprintf("CREATE TABLE %s.%s AS TABLE %s.%[2]s", d.copyOf(d.n), table, d.name))
		}
		if _, err := tx.Exec(ctx, strings.Join(script, ";")); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s.of_sequences SELECT unnest($1::text[])", d.copyOf(d.n)), sequences)
		return err
	})
	d.n++
}

func (d *schemaDisk) putBack(t testing.TB, k int) {
	d.transaction(t, pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx) error {
		tables, err := texts(ctx, tx, tablesSQL, d.name)
		if err != nil {
			return err
		}
		sequences, err := texts(ctx, tx, fmt.Sprintf("SELECT script FROM %s.of_sequences", d.copyOf(k)))
		if err != nil {
			return err
		}
		script := []string{"ALTER TABLE event_store DISABLE TRIGGER USER", "TRUNCATE " + strings.Join(tables, ", ")}
		for _, table := range tables {
			script = append(script, fmt.Sprintf("INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT * FROM %s.%[1]s", table, d.copyOf(k)))
		}
		script = append(script, sequences...)
		script = append(script, "ALTER TABLE event_store ENABLE TRIGGER USER")
		_, err = tx.Exec(ctx, strings.Join(script, ";"))
		return err
	})
}

func (d *schemaDisk) replace(t testing.TB, k int) {
	d.putBack(t, k)
	d.rig = onPool(t, d.pool)
}

// transaction runs f until it is no victim of a deadlock.
func (d *schemaDisk) transaction(t testing.TB, level pgx.TxIsoLevel, f func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	ctx := t.Context()
	for {
		err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error { return f(ctx, tx) })
		var failed *pgconn.PgError
		if errors.As(err, &failed) && failed.Code == "40P01" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

func texts(ctx context.Context, tx pgx.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
