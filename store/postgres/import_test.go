package postgres_test

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

// TestAnImportUnderTheLockOfTheTable is what docs/importing.md says of the lock: an
// append waits for the import and comes behind it, and no reader passes the
// positions that it has drawn.
func TestAnImportUnderTheLockOfTheTable(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	appendTo(t, s, "before", 1)
	tx := begin(t, pool)
	execTx(t, tx, "LOCK TABLE event_store IN SHARE ROW EXCLUSIVE MODE")
	execTx(t, tx, `INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
		SELECT 'product', 'imported', v, v, 't', 'c', 'x', now(), '', '', '' FROM generate_series(1, 3) AS v`)
	appended := make(chan error, 1)
	go func() {
		_, err := s.Append(context.WithoutCancel(t.Context()), streamOf("appended"), store.NoStream, events(1))
		appended <- err
	}()
	for waiting := 0; waiting == 0; {
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'event_store'::regclass`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	mustLog(t, s, "before")
	commit(t, tx)
	if err := <-appended; err != nil {
		t.Fatal(err)
	}
	mustLog(t, s, "before", "imported", "imported", "imported", "appended")
}
