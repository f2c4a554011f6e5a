package main

import (
	"context"
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// audit looks at a database while productd works on it.
type audit[Tx any] struct {
	*database[Tx]
	// count scans the one row of a query, whatever the dialect.
	count func(ctx context.Context, query string, into ...any) error
	exec  func(ctx context.Context, statement string) error
}

func auditSQLite(t *testing.T, file string) audit[*sql.Tx] {
	t.Helper()
	d, err := openSQLite(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	db, err := sql.Open("sqlite", sqlite.DSN(file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return audit[*sql.Tx]{
		database: d,
		count: func(ctx context.Context, query string, into ...any) error {
			return db.QueryRowContext(ctx, query).Scan(into...)
		},
		exec: func(ctx context.Context, statement string) error {
			_, err := db.ExecContext(ctx, statement)
			return err
		},
	}
}

func auditPostgres(t *testing.T, url string) audit[pgx.Tx] {
	t.Helper()
	d, err := openPostgres(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return audit[pgx.Tx]{
		database: d,
		count: func(ctx context.Context, query string, into ...any) error {
			return pool.QueryRow(ctx, query).Scan(into...)
		},
		exec: func(ctx context.Context, statement string) error {
			_, err := pool.Exec(ctx, statement)
			return err
		},
	}
}

// waitForViews waits until the read model has as many versions as the store.
func waitForViews[Tx any](t *testing.T, db audit[Tx]) {
	t.Helper()
	for {
		var stored, seen int64
		err := db.count(t.Context(), `
SELECT (SELECT count(*) FROM event_store), (SELECT coalesce(sum(version), 0) FROM product_views)`, &stored, &seen)
		if err != nil {
			t.Fatal(err)
		}
		if stored == seen {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// compare holds what was acknowledged against the store, and the store against
// the read model.
func compare[Tx any](t *testing.T, db audit[Tx], acks *acknowledged) {
	t.Helper()
	products := eventus.NewRepository(db.events, product.Products)
	for _, ack := range acks.acks {
		version, err := strconv.ParseInt(ack.version, 10, 64)
		if err != nil {
			t.Fatalf("acknowledged without a version: %+v", ack)
		}
		p, err := products.LoadVersion(t.Context(), ack.id, version)
		if err != nil {
			t.Errorf("acknowledged and lost: %+v: %v", ack, err)
		} else if got := viewOf(p); ack.whole && got != ack.view {
			t.Errorf("acknowledged %+v, stored %+v", ack.view, got)
		}
	}
	rows, err := db.views.List(t.Context(), "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		// Load refuses a stream whose versions have a hole.
		p, err := products.Load(t.Context(), row.ID)
		if err != nil {
			t.Error(err)
			continue
		}
		if row.Changes != row.Version {
			t.Errorf("%s is at version %d after %d changes", row.ID, row.Version, row.Changes)
		}
		row.Changes = 0
		if want := viewOf(p); row != want {
			t.Errorf("row %+v, store %+v", row, want)
		}
	}
	var events, streams, left int64
	err = db.count(t.Context(), `
SELECT count(*), count(DISTINCT stream_id), (SELECT count(*) FROM parked_streams) FROM event_store`, &events, &streams, &left)
	if err != nil {
		t.Fatal(err)
	}
	if streams != int64(len(rows)) || left != 0 {
		t.Errorf("%d streams, %d rows, %d parked streams", streams, len(rows), left)
	}
	if len(acks.acks) == 0 {
		t.Error("no command was acknowledged: the test has shown nothing")
	}
	t.Logf("%d commands acknowledged, %d events of %d products stored", len(acks.acks), events, streams)
}
