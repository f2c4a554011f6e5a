package sqlite_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

const crashFile = "EVENTUS_CRASH_FILE"

// TestCrash kills a child process that appends and marks, and checks that what
// the child was told is there. EVENTUS_KILLS sets how often.
func TestCrash(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_KILLS")); err == nil {
		kills = n
	}
	path := filepath.Join(t.TempDir(), "crash.db")
	said := report{appended: make(map[store.Stream]int64), marking: make(map[int64]bool), marked: make(map[int64]bool)}
	for kill := range kills {
		lines := rand.IntN(400)
		said.collect(t, path, lines)
		checkCrash(t, path, said)
		if t.Failed() {
			t.Fatalf("after kill %d, at line %d", kill+1, lines)
		}
	}
}

// report is what children have said before they were killed.
type report struct {
	appended        map[store.Stream]int64 // the last acknowledged version
	marking, marked map[int64]bool         // positions, before and after the call
}

// collect runs a child until it has printed so many lines, kills it, and reads
// the rest of what it said.
func (r report) collect(t *testing.T, path string, lines int) {
	child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ {
		var what, id string
		var number int64
		if _, err := fmt.Sscan(scanner.Text(), &what, &id, &number); err != nil {
			t.Fatalf("the child said %q: %v", scanner.Text(), err)
		}
		switch what {
		case "appended":
			s := store.Stream{Category: "crash", ID: id}
			r.appended[s] = max(r.appended[s], number)
		case "marking":
			r.marking[number] = true
		case "marked":
			r.marked[number] = true
		}
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait()
}

func checkCrash(t *testing.T, path string, said report) {
	s, db := openStore(t, path)
	defer db.Close()
	log, err := s.ReadAll(t.Context(), 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	streams := make(map[store.Stream]int64)
	for _, m := range log {
		streams[m.Stream]++
		if m.Version != streams[m.Stream] {
			t.Errorf("%s: version %d stands where %d belongs", m.Stream, m.Version, streams[m.Stream])
		}
	}
	for stream, version := range said.appended {
		if streams[stream] < version {
			t.Errorf("%s: version %d was acknowledged, %d is the last", stream, version, streams[stream])
		}
	}
	outbox, _, err := s.Unpublished(t.Context(), 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(map[int64]bool)
	for _, m := range outbox {
		waiting[m.Position] = true
	}
	for _, m := range log {
		if !waiting[m.Position] && !said.marking[m.Position] {
			t.Errorf("position %d was never marked and is not in the outbox", m.Position)
		}
		if waiting[m.Position] && said.marked[m.Position] {
			t.Errorf("position %d was marked and is in the outbox", m.Position)
		}
	}
}

// TestCrashChild is the child: it appends and marks until it is killed.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashFile)
	if path == "" {
		t.Skip("only runs as the child of TestCrash")
	}
	s, _ := openStore(t, path)
	var mu sync.Mutex
	say := func(what, id string, number int64) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what, id, number)
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				stream := store.Stream{Category: "crash", ID: fmt.Sprint("w", w)}
				if i%2 == 0 {
					stream.ID = "common"
				}
				version, err := s.Append(t.Context(), stream, store.Any, events(1+i%3))
				if err != nil {
					panic(err)
				}
				say("appended", stream.ID, version)
			}
		}()
	}
	for after := int64(0); ; {
		page, next, err := s.Unpublished(t.Context(), after, 3)
		if err != nil {
			panic(err)
		}
		for _, m := range page {
			say("marking", "-", m.Position)
			if err := s.MarkPublished(t.Context(), []int64{m.Position}, nil); err != nil {
				panic(err)
			}
			say("marked", "-", m.Position)
		}
		after = next
	}
}

var made atomic.Int64 // events, for their ids

// eventID returns the id of the event of stream at a version.
func eventID(t testing.TB, r store.Reader, version int64) string {
	t.Helper()
	page, err := r.Read(t.Context(), stream, version-1, 1)
	if err != nil || len(page) != 1 {
		t.Fatalf("read version %d: %d messages, error %v", version, len(page), err)
	}
	return page[0].ID
}

func events(n int) []store.Event {
	all := make([]store.Event, n)
	for i := range all {
		all[i] = store.Event{ID: strconv.FormatInt(made.Add(1), 10), Type: "t", ContentType: "text/plain", Data: []byte("x"), Time: time.Unix(1, 0)}
	}
	return all
}
