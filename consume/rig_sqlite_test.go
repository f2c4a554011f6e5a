package consume_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
)

func newSQLite(t testing.TB) rig {
	t.Helper()
	return onFile(t, filepath.Join(t.TempDir(), "store.db"))
}

func onFile(t testing.TB, path string) *bed[*sql.Tx] {
	t.Helper()
	b, err := sqliteBed(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.closer)
	return b
}

func sqliteBed(ctx context.Context, path string) (*bed[*sql.Tx], error) {
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, db)
	if err != nil {
		return nil, err
	}
	b := &bed[*sql.Tx]{
		Store: s, Database: s,
		write: func(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
			_, err := tx.ExecContext(ctx, statement, args...)
			return err
		},
		query: func(ctx context.Context, query string, args ...any) (all [][3]string, err error) {
			rows, err := db.QueryContext(ctx, query, args...)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			for rows.Next() {
				var r [3]string
				if err := rows.Scan(&r[0], &r[1], &r[2]); err != nil {
					return nil, err
				}
				all = append(all, r)
			}
			return all, rows.Err()
		},
		do: func(ctx context.Context, statement string) error {
			_, err := db.ExecContext(ctx, statement)
			return err
		},
		count: func(ctx context.Context, query string) (n int64, err error) {
			return n, db.QueryRowContext(ctx, query).Scan(&n)
		},
		closer: func() {
			_ = db.Close()
			// A transaction whose follower has ended may still be under way.
			for db.Stats().OpenConnections > 0 {
				time.Sleep(time.Millisecond)
			}
		},
	}
	return b, b.exec(ctx, `CREATE TABLE IF NOT EXISTS effects (n INTEGER PRIMARY KEY AUTOINCREMENT,
		consumer TEXT NOT NULL, category TEXT NOT NULL, id TEXT NOT NULL, event_id TEXT NOT NULL)`)
}

func isSQLite(r rig) bool {
	_, ok := r.(*bed[*sql.Tx])
	return ok
}
