package product

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
)

// Every statement on product_views goes by the primary key, without a scan of
// the table or a sort.
func TestPlansSQLite(t *testing.T) {
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(t.TempDir(), "product.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := MigrateSQLite(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		statement string
		args      int
		want      string
	}{
		"get":              {getView, 1, "SEARCH product_views USING PRIMARY KEY (id=?)"},
		"list":             {listViews, 2, "SEARCH product_views USING PRIMARY KEY (id>?)"},
		"set name":         {setViewName, 3, "SEARCH product_views USING PRIMARY KEY (id=?)"},
		"set price":        {setViewPrice, 4, "SEARCH product_views USING PRIMARY KEY (id=?)"},
		"set discontinued": {setViewDiscontinued, 2, "SEARCH product_views USING PRIMARY KEY (id=?)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := planSQLite(t, db, c.statement, c.args); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func planSQLite(t *testing.T, db *sql.DB, statement string, args int) string {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+statement, make([]any, args)...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "; ")
}
