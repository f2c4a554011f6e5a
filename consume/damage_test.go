package consume_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// TestADamagedEventStopsItsConsumer has a follower come to an event whose row was
// damaged. It says so, handles nothing behind it, parks nothing and passes nothing,
// and goes on once the row is repaired.
func TestADamagedEventStopsItsConsumer(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, r rig) {
		exec := func(statement string) {
			t.Helper()
			if err := r.exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		var update string
		switch r.(type) {
		case *bed[pgx.Tx]:
			exec("ALTER TABLE event_store DISABLE TRIGGER USER")
			update = "UPDATE event_store SET data = overlay(data PLACING '%s'::bytea FROM 1) WHERE stream_id = 'a' AND version = 3"
		case *bed[*sql.Tx]:
			exec("DROP TRIGGER event_store_no_update")
			update = "UPDATE event_store SET data = CAST('%s' || substr(data, 2) AS BLOB) WHERE stream_id = 'a' AND version = 3"
		}
		stop := start(t, r.follower("view", r, quick(), program{}))
		add(t, r, "a", 2)
		add(t, r, "b", 2)
		awaitExact(t, r, "view", r)
		stop()
		add(t, r, "a", 2)
		add(t, r, "b", 2)
		exec(fmt.Sprintf(update, "#"))
		cfg, log := quick(), &lockedBuffer{}
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
		start(t, r.follower("view", r, cfg, program{}))
		await(t, "the consumer pauses twice", func() bool { return strings.Count(log.String(), "consumer pauses") >= 2 })
		if text := log.String(); !strings.Contains(text, "bump a: version 3 at position 5 is damaged") {
			t.Errorf("the log says\n%s", text)
		}
		if n, err := r.number(t.Context(), "SELECT count(*) FROM effects"); err != nil || n != 4 {
			t.Errorf("%d effects, want 4, error %v", n, err)
		}
		if parked := parkedOf(t, r, "view"); len(parked) > 0 {
			t.Errorf("parked: %+v", parked)
		}
		if d, ok := r.(*bed[pgx.Tx]); ok && d.Store.(store.Damageable).Damage() == nil {
			t.Error("the store tells of no damage")
		}
		exec(fmt.Sprintf(update, "{"))
		awaitExact(t, r, "view", r)
	})
}
