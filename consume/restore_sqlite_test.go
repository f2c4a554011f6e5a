package consume_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/eventus-go/eventus/store/sqlite"
)

// fileDisk is a SQLite file. Its backups are files beside it.
type fileDisk struct {
	rig
	path  string
	close func()
	n     int
}

func newFileDisk(t testing.TB) disk {
	d := &fileDisk{path: filepath.Join(t.TempDir(), "store.db")}
	d.open(t)
	t.Cleanup(func() { d.close() })
	return d
}

func (d *fileDisk) open(t testing.TB) {
	b, err := sqliteBed(t.Context(), d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.rig, d.close = b, b.closer
}

func (d *fileDisk) copyOf(k int) string { return fmt.Sprintf("%s.%d", d.path, k) }
func (d *fileDisk) backups() int        { return d.n }

func (d *fileDisk) backup(t testing.TB) {
	if err := d.exec(t.Context(), fmt.Sprintf("VACUUM INTO '%s'", d.copyOf(d.n))); err != nil {
		t.Fatal(err)
	}
	d.n++
}

// replace copies the file back. What was written since lies in the WAL, which
// has to go with the file.
func (d *fileDisk) replace(t testing.TB, k int) {
	d.close()
	content, err := os.ReadFile(d.copyOf(k))
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"-wal", "-shm"} {
		if err := os.RemoveAll(d.path + more); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(d.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	d.open(t)
}

// putBack replaces the rows of all tables in one transaction, as seen by others
// what sqlite3's command .restore does.
func (d *fileDisk) putBack(t testing.TB, k int) {
	db, err := sql.Open("sqlite", sqlite.DSN(d.path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(statement string, args ...any) {
		if _, err := conn.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	list := func(query string) (all [][2]string) {
		rows, err := conn.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var one [2]string
			if err := rows.Scan(&one[0], &one[1]); err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	exec("ATTACH ? AS old", d.copyOf(k))
	exec("BEGIN IMMEDIATE")
	triggers := list("SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger'")
	for _, trigger := range triggers {
		exec("DROP TRIGGER " + trigger[0])
	}
	for _, table := range list("SELECT name, '' FROM main.sqlite_master WHERE type = 'table'") {
		exec("DELETE FROM main." + table[0])
		exec(fmt.Sprintf("INSERT INTO main.%s SELECT * FROM old.%[1]s", table[0]))
	}
	for _, trigger := range triggers {
		exec(trigger[1])
	}
	exec("COMMIT")
}
