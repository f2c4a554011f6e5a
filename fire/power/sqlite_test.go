package power

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/eventus-go/eventus/fire/powercut"
	"github.com/eventus-go/eventus/store/sqlite"
)

const cutsOfAFile = 10 // then a new one begins

// TestSQLite has a process append to a store and mark its outbox, cuts the power,
// and looks into the file that is left.
func TestSQLite(t *testing.T) {
	for _, names := range []powercut.Names{powercut.ByFolder, powercut.ByJournal} {
		t.Run(namesText[names], func(t *testing.T) {
			trial := newTrial(t, "SQLite, "+namesText[names])
			defer trial.done()
			said := newLedger()
			for cut := 0; trial.more(); cut++ {
				if cut%cutsOfAFile == 0 {
					trial.result.acknowledged += said.count()
					said = newLedger()
					trial.must(os.RemoveAll(trial.disk()))
					trial.must(os.Mkdir(trial.disk(), 0o755))
				}
				trial.cutSQLite(powercut.Options{Names: names}, said)
			}
			trial.result.acknowledged += said.count()
		})
	}
}

// cutsToFindALie is within how many cuts a disk is found on which fsync does nothing.
const cutsToFindALie = 20

// TestALossIsFound runs the trial on a disk that lies, to show that it can fail.
func TestALossIsFound(t *testing.T) {
	trial := newTrial(t, "SQLite on a disk that lies")
	trial.lossy = true
	said := newLedger()
	for trial.result.lost == 0 && trial.result.cuts < cutsToFindALie {
		trial.cutSQLite(powercut.Options{IgnoreSync: true, CommitInterval: -1}, said)
	}
	if trial.result.lost == 0 {
		t.Errorf("%d cuts have lost nothing of %d acknowledgements, and no fsync did anything", trial.result.cuts, said.count())
	}
	t.Logf("found by cut %d", trial.result.cuts)
}

var namesText = map[powercut.Names]string{powercut.ByFolder: "names by folder", powercut.ByJournal: "names by journal"}

func (t *trial) cutSQLite(opts powercut.Options, said *ledger) {
	fs := t.powerOn(opts)
	cut := t.cutSoon(fs, 6000)
	writer := t.startChild("sqlite", t.mount(), nil)
	t.await(cut, writer.ended)
	writer.kill()
	t.must(fs.Close())
	for _, line := range writer.lines {
		t.must(said.read(line))
	}
	if _, err := os.Stat(filepath.Join(t.disk(), "events.db")); errors.Is(err, os.ErrNotExist) && said.count() == 0 {
		return // the cut came before anything was acknowledged
	}
	s, db, err := openSQLite(t.copyDisk()) // makes the file where it is lost
	if err != nil {
		t.lose("the file cannot be opened, after %d acknowledgements: %v\n%s", said.count(), err, writer.said.String())
		return
	}
	defer db.Close()
	t.check(s, said)
	var verdict string
	t.must(db.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	if verdict != "ok" {
		t.lose("cut %d: integrity_check: %s", t.result.cuts, verdict)
	}
}

func openSQLite(dir string) (*sqlite.Store, *sql.DB, error) {
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(dir, "events.db")))
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlite.Open(context.Background(), db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, db, nil
}

// writeSQLite is the process: it says what was acknowledged, until the disk fails.
func writeSQLite(dir string) error {
	s, db, err := openSQLite(dir)
	if err != nil {
		return err
	}
	defer db.Close()
	failed := make(chan error, 10)
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	for w := range 4 {
		go func() { failed <- appendTo(context.Background(), s, w, say) }()
	}
	go func() { failed <- mark(context.Background(), s, say) }()
	go func() { failed <- checkpoint(db) }()
	return <-failed
}

// checkpoint empties the WAL now and then, as the store does when it is long.
func checkpoint(db *sql.DB) error {
	for {
		mode := []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[rand.IntN(4)]
		if _, err := db.Exec("PRAGMA wal_checkpoint(" + mode + ")"); err != nil {
			return err
		}
		pause()
	}
}
