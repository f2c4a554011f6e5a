package eventus_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
)

// TestGrowthPage follows docs/growth.md with parts of 100 events.
func TestGrowthPage(t *testing.T) {
	t.Parallel()
	page := openPage(t, "docs/growth.md")
	page.cite(t, "Ids in the order of time", "go test -run '^$' -bench BenchmarkStreamIDs", "store/postgres/ids_bench_test.go", "func BenchmarkStreamIDs(")
	t.Run("parts", func(t *testing.T) {
		p, server := page.onServer(t, pgtest.Options{}, "psql")
		p.set("SHOP", server.URL())
		p.set("CHEAP", p.makeDir("cheap"))
		s := openStoreAt(t, server.URL())
		appendEvents(t, s, 0, 250)
		p.runGo("Divide the log", server.URL(), "100")
		p.sql(server.URL(), "SELECT setval(pg_get_serial_sequence('event_store', 'position'), 10000200)") // near the end of the first part
		p.runGo("Divide the log", server.URL(), "100")
		appendEvents(t, s, 250, 300) // to the third part
		p.run("Move a part")
		p.runGo("Move a part", server.URL(), "1", "cheap")
		want := []string{
			"event_store_part_1|FOR VALUES FROM (MINVALUE) TO ('10000251')|cheap",
			"event_store_part_2|FOR VALUES FROM ('10000251') TO ('10000351')|",
			"event_store_part_3|FOR VALUES FROM ('10000351') TO (MAXVALUE)|",
		}
		lines := strings.Split(strings.TrimSpace(p.run("Look at the parts")), "\n")
		for i, line := range want {
			var got string
			if cells := strings.Split(lines[i+2], "|"); len(cells) == 4 {
				got = strings.TrimSpace(cells[0]) + "|" + strings.TrimSpace(cells[1]) + "|" + strings.TrimSpace(cells[3])
			}
			if got != line {
				t.Errorf("part %d: got %q, want %q", i+1, got, line)
			}
		}
		p.sql(server.URL(), "TRUNCATE stream_versions")
		stream := store.Stream{Category: "product", ID: "0"}
		event := store.Event{ID: "refused", Type: "t", ContentType: "c", Time: time.Unix(1, 0)}
		if _, err := s.Append(t.Context(), stream, store.Any, []store.Event{event}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("without its version a stream takes an append: error %v", err)
		}
		p.run("If stream_versions is lost")
		appendEvents(t, s, 550, 10)
		log, err := s.ReadAll(t.Context(), 0, 1000)
		if err != nil || len(log) != 560 {
			t.Fatalf("the log has %d events, error %v", len(log), err)
		}
	})
}

// appendEvents appends n events to seven streams that have some.
func appendEvents(t *testing.T, s *postgres.Store, have, n int) {
	t.Helper()
	for i := have; i < have+n; i++ {
		event := store.Event{ID: strconv.Itoa(i), Type: "t", ContentType: "c", Time: time.Unix(1, 0)}
		stream := store.Stream{Category: "product", ID: strconv.Itoa(i % 7)}
		if _, err := s.Append(t.Context(), stream, store.At(int64(i/7)), []store.Event{event}); err != nil {
			t.Fatal(err)
		}
	}
}
