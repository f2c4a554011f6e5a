package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// plans is how SQLite runs each query of the hot paths: by an index, without a
// table scan and, except for lists of consumers, without a sort. What is scanned
// are the statement's own arguments (json_each), the one snapshot, the tables that
// are asked for whole, and the refused messages, which have an index of their own.
var plans = []struct{ name, query, plan string }{
	{"lock", lockSQL, `
		SEARCH outbox USING INTEGER PRIMARY KEY (rowid=?)`},
	{"lasts", lastsSQL, `
		SCAN s VIRTUAL TABLE INDEX 1:
		SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
		CORRELATED SCALAR SUBQUERY 1
		SEARCH event_store USING COVERING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=?)`},
	{"last one", lastOneSQL, `
		SEARCH event_store USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=?)`},
	{"enqueue", enqueueSQL, `
		SEARCH event_store USING INTEGER PRIMARY KEY (rowid>?)`},
	{"read", readSQL, `
		SEARCH event_store USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=? AND version>?)`},
	{"read all", readAllSQL, `
		SEARCH event_store USING INTEGER PRIMARY KEY (rowid>?)`},
	{"read a stretch", readStretchSQL, `
		SEARCH event_store USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
		SCALAR SUBQUERY 7
		MATERIALIZE looked
		CO-ROUTINE (subquery-1)
		SEARCH event_store USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
		SCAN (subquery-1)
		SCAN looked
		SCALAR SUBQUERY 8
		SCAN looked
		LIST SUBQUERY 9
		SCAN json_each VIRTUAL TABLE INDEX 1:
		CREATE BLOOM FILTER
		SCALAR SUBQUERY 10
		SCAN looked
		SCALAR SUBQUERY 11
		SCAN looked
		LIST SUBQUERY 3
		SCAN json_each VIRTUAL TABLE INDEX 1:
		CREATE BLOOM FILTER
		LIST SUBQUERY 4
		SCAN json_each VIRTUAL TABLE INDEX 1:
		CREATE BLOOM FILTER
		SCALAR SUBQUERY 6
		SEARCH event_store USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
		SCALAR SUBQUERY 5
		SCAN looked`},
	{"unpublished", unpublishedSQL, `
		SEARCH outbox USING INTEGER PRIMARY KEY (rowid>?)
		SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
		SCALAR SUBQUERY 2
		SCAN CONSTANT ROW
		SCALAR SUBQUERY 1
		SCAN outbox USING INDEX outbox_refused
		CORRELATED SCALAR SUBQUERY 3
		SEARCH r USING INDEX outbox_refused (refused_category=? AND refused_stream_id=? AND position<?)`},
	{"events before those of a page", previousSQL, `
		SCAN l VIRTUAL TABLE INDEX 1:
		SEARCH e USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=? AND version=?)`},
	{"mark consecutive ones published", dequeueRangeSQL, `
		SEARCH outbox USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)`},
	{"mark published", dequeueSQL, `
		SEARCH outbox USING INTEGER PRIMARY KEY (rowid=?)
		LIST SUBQUERY 1
		SCAN json_each VIRTUAL TABLE INDEX 1:`},
	{"last position", lastSQL, `
		SEARCH event_store`},
	{"keep what was published last", keepSQL, ``},
	{"refuse", refuseSQL, `
		SEARCH outbox USING INTEGER PRIMARY KEY (rowid=?)
		SEARCH e USING INTEGER PRIMARY KEY (rowid=?)`},
	{"due for another attempt", dueSQL, `
		SEARCH outbox USING INDEX outbox_refused`},
	{"readmit", readmitSQL, `
		SCAN outbox USING INDEX outbox_refused`},
	{"read snapshot", readSnapshotSQL, `
		COMPOUND QUERY
		LEFT-MOST SUBQUERY
		MATERIALIZE snapshot
		SEARCH s USING INDEX sqlite_autoindex_snapshots_1 (category=? AND stream_id=? AND schema=?)
		SEARCH event_store USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=? AND version=?)
		SCAN snapshot
		UNION ALL
		CO-ROUTINE (subquery-4)
		SEARCH event_store USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=? AND version>?)
		SCALAR SUBQUERY 3
		SCAN snapshot
		SCAN (subquery-4)`},
	{"write snapshot", writeSnapshotSQL, `
		SEARCH event_store USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=? AND version=?)
		CORRELATED SCALAR SUBQUERY 2
		SEARCH e USING INDEX sqlite_autoindex_event_store_1 (category=? AND stream_id=? AND version=?)`},
	{"marks", marksSQL, `
		SCAN s VIRTUAL TABLE INDEX 1:
		SEARCH i USING PRIMARY KEY (consumer=? AND category=? AND stream_id=?) LEFT-JOIN
		CORRELATED SCALAR SUBQUERY 1
		SEARCH q USING PRIMARY KEY (consumer=? AND category=? AND stream_id=?)`},
	{"find queue", findQueueSQL, `
		SEARCH q USING PRIMARY KEY (consumer=? AND category=? AND stream_id=?)
		CORRELATED SCALAR SUBQUERY 1
		SEARCH m USING COVERING INDEX sqlite_autoindex_inbox_messages_1 (consumer=? AND category=? AND stream_id=?)
		CORRELATED SCALAR SUBQUERY 2
		SEARCH m USING COVERING INDEX sqlite_autoindex_inbox_messages_1 (consumer=? AND category=? AND stream_id=?)`},
	{"queued", queuedSQL, `
		SEARCH inbox_messages USING INDEX sqlite_autoindex_inbox_messages_1 (consumer=? AND category=? AND stream_id=?)`},
	{"dequeue", deleteMessagesSQL, `
		SEARCH inbox_messages USING INDEX sqlite_autoindex_inbox_messages_1 (consumer=? AND category=? AND stream_id=? AND version<?)`},
	{"set marks", setMarksSQL, `
		SCAN json_each VIRTUAL TABLE INDEX 1:`},
	{"advance", advanceSQL, `
		SEARCH consumer_segments USING PRIMARY KEY (name=? AND generation=? AND segment=?)`},
	{"save consumer", saveConsumerSQL, `
		SEARCH consumers USING PRIMARY KEY (name=? AND generation=?)`},
	{"delete segments", deleteSegmentsSQL, `
		SEARCH consumer_segments USING PRIMARY KEY (name=? AND generation=?)`},
	{"delete members", deleteMembersSQL, `
		SEARCH consumer_members USING PRIMARY KEY (name=? AND generation=?)`},
	{"delete parked stream", deleteParkedSQL, `
		SEARCH parked_streams USING INDEX sqlite_autoindex_parked_streams_1 (name=? AND generation=? AND category=? AND stream_id=?)`},
	{"find parked streams", findParkedSQL, `
		SEARCH parked_streams USING INDEX sqlite_autoindex_parked_streams_1 (name=? AND generation=? AND category=? AND stream_id=?)
		LIST SUBQUERY 3
		SCAN json_each VIRTUAL TABLE INDEX 1:`},
	{"due streams", dueParkedSQL, `
		SEARCH parked_streams USING INDEX parked_streams_due (name=? AND generation=? AND next_try<?)`},
	{"list parked streams", listParkedSQL, `
		SEARCH parked_streams USING INDEX sqlite_autoindex_parked_streams_1 (name=? AND generation=? AND (category,stream_id)>(?,?))`},
	// The sort is of the few rows that are counted for each consumer.
	{"count parked streams", countParkedSQL, `
		SCAN id VIRTUAL TABLE INDEX 1:
		SEARCH p USING COVERING INDEX parked_streams_reason (name=? AND generation=?)
		USE TEMP B-TREE FOR GROUP BY`},
	{"redrive a stream", redriveOneSQL, `
		SEARCH parked_streams USING INDEX sqlite_autoindex_parked_streams_1 (name=? AND generation=? AND category=? AND stream_id=?)`},
	{"redrive all streams", redriveAllSQL, `
		SEARCH parked_streams USING INDEX parked_streams_reason (name=? AND generation=?)`},
	{"retry streams", retryParkedSQL, `
		SEARCH parked_streams USING INDEX parked_streams_reason (name=? AND generation=?)`},
	{"pending requests", pendingRequestsSQL, `
		SEARCH consumer_requests USING INDEX consumer_requests_pending (name=? AND generation=?)`},
	{"finish request", finishRequestSQL, `
		SEARCH consumer_requests USING INTEGER PRIMARY KEY (rowid=?)`},
	{"list requests", listRequestsSQL, `
		SEARCH consumer_requests USING INTEGER PRIMARY KEY (rowid<?)`},
	{"list requests of a name", listRequestsOfSQL, `
		SEARCH consumer_requests USING INDEX consumer_requests_name (name=? AND rowid<?)`},
	// All rows of all consumers are asked for; the sort is within a consumer.
	{"list all consumers", listAllSQL, `
		MERGE (UNION ALL)
		LEFT
		MERGE (UNION ALL)
		LEFT
		SCAN consumers
		RIGHT
		SCAN consumer_segments
		USE TEMP B-TREE FOR LAST 3 TERMS OF ORDER BY
		RIGHT
		SCAN consumer_members
		USE TEMP B-TREE FOR LAST 3 TERMS OF ORDER BY`},
	{"list some consumers", listSomeSQL, `
		MERGE (UNION ALL)
		LEFT
		MERGE (UNION ALL)
		LEFT
		SEARCH consumers USING PRIMARY KEY (name=? AND generation=?)
		LIST SUBQUERY 7
		SCAN json_each VIRTUAL TABLE INDEX 1:
		USE TEMP B-TREE FOR ORDER BY
		RIGHT
		SEARCH consumer_segments USING PRIMARY KEY (name=? AND generation=?)
		LIST SUBQUERY 8
		SCAN json_each VIRTUAL TABLE INDEX 1:
		USE TEMP B-TREE FOR ORDER BY
		RIGHT
		SEARCH consumer_members USING PRIMARY KEY (name=? AND generation=?)
		LIST SUBQUERY 9
		SCAN json_each VIRTUAL TABLE INDEX 1:
		USE TEMP B-TREE FOR ORDER BY`},
}

func TestPlans(t *testing.T) {
	_, db := openHere(t)
	for _, p := range plans {
		t.Run(p.name+" runs as planned", func(t *testing.T) {
			var want []string
			for line := range strings.Lines(strings.TrimSpace(p.plan)) {
				want = append(want, strings.TrimSpace(line))
			}
			if got := explain(t, db, p.query); !slices.Equal(got, want) {
				t.Errorf("the plan is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// SQLite looks at the number that is bound to a bare LIMIT when it plans a
// statement. It therefore plans the statement again each time another one is bound,
// which costs more than to read a short stream.
func TestNoStatementIsPlannedAgain(t *testing.T) {
	bare := regexp.MustCompile(`LIMIT \?\d*\s*($|\)|OFFSET)`)
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files and error %v", len(files), err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(source), "\n") {
			if bare.MatchString(strings.ReplaceAll(line, "`", "")) {
				t.Errorf("%s:%d: write LIMIT ? + 0 in %q", file, n+1, line)
			}
		}
	}
}

func explain(t *testing.T, db *sql.DB, query string) (plan []string) {
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
