package power

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/fire/powercut"
)

// EVENTUS_CUTS is how many cuts each system gets, EVENTUS_SEED what chooses them.
const (
	cutsEnv = "EVENTUS_CUTS"
	seedEnv = "EVENTUS_SEED"
	// requireEnv makes a test fail that can cut no power here, in place of being
	// skipped.
	requireEnv = "EVENTUS_REQUIRE_POWER"
	childEnv   = "EVENTUS_POWER_CHILD" // what a process that a test has started is to do
)

// children are the programs that run on the file system, each in a process of its own.
var children = map[string]func(dir string) error{"sqlite": writeSQLite, "nats": serveNATS}

func TestMain(m *testing.M) {
	if name, dir, ok := strings.Cut(os.Getenv(childEnv), "@"); ok {
		if err := children[name](dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := powercut.Unavailable(); err != nil {
		fmt.Println("NOT TESTED: a power loss:", err)
	}
	code := m.Run()
	printResults()
	os.Exit(code)
}

func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// result is a line of the table.
type result struct {
	system       string
	cuts         int
	acknowledged int
	lost         int
	found        powercut.Report
	time         time.Duration
	remark       string
}

var (
	resultsMu sync.Mutex
	results   []result
)

func report(r result) {
	resultsMu.Lock()
	defer resultsMu.Unlock()
	results = append(results, r)
}

func printResults() {
	if len(results) == 0 {
		return
	}
	commit, _ := exec.Command("git", "describe", "--always", "--dirty").Output() // without git there is none to tell
	fmt.Printf("commit %s, %s\n", bytes.TrimSpace(commit), runtime.Version())
	fmt.Println("| system | cuts | acknowledged | of these lost | pages not synced | lost | torn | names not synced | lost | time | |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
	for _, r := range results {
		fmt.Printf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %v | %s |\n", r.system, r.cuts, r.acknowledged, r.lost, r.found.Pages,
			r.found.PagesLost, r.found.PagesTorn, r.found.Names, r.found.NamesLost, r.time.Round(time.Second), r.remark)
	}
}

// trial cuts the power under one system again and again.
type trial struct {
	testing.TB
	result result
	random *rand.Rand
	base   string // of the folders
	cuts   int
	start  time.Time
	// syncDelay is the longest time of an fsync.
	syncDelay time.Duration
	lossy     bool // what is lost is counted, and no failure
}

func newTrial(t testing.TB, system string) *trial {
	if err := powercut.Unavailable(); err != nil && os.Getenv(requireEnv) != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("NOT TESTED: what %s keeps when the power is cut: %v", system, err)
	}
	// Not TempDir: servers that do not run as root have to get through.
	base, err := os.MkdirTemp("", "power-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the disk is in %s", base)
		} else if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	for _, dir := range []string{"", "disk", "mount", "run"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	seed := number(seedEnv, rand.Uint64()%100000)
	t.Logf("%s=%d", seedEnv, seed)
	return &trial{
		TB: t, base: base, random: rand.New(rand.NewPCG(seed, 0)), cuts: int(number(cutsEnv, 3)), start: time.Now(),
		result: result{system: system}, syncDelay: 2 * time.Millisecond,
	}
}

// more reports whether there is another cut to do: not after a failure, and not when
// the time that go test gives is nearly over, so that there is a result in any case.
func (t *trial) more() bool {
	if t.result.cuts > 0 && t.result.cuts%10 == 0 {
		t.Logf("%d cuts, %d lost", t.result.cuts, t.result.lost)
	}
	if test, ok := t.TB.(*testing.T); ok {
		if end, ok := test.Deadline(); ok && time.Until(end) < lastLap {
			t.Logf("no time is left after %d of %d cuts", t.result.cuts, t.cuts)
			return false
		}
	}
	return t.result.cuts < t.cuts && !t.Failed()
}

// lastLap is longer than a cut takes, and what follows the last.
const lastLap = time.Minute

func (t *trial) disk() string  { return filepath.Join(t.base, "disk") }
func (t *trial) mount() string { return filepath.Join(t.base, "mount") }
func (t *trial) run() string   { return filepath.Join(t.base, "run") }

func (t *trial) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// powerOn mounts the disk. In half of the times an fsync takes a time, so that more is
// written while it waits.
func (t *trial) powerOn(opts powercut.Options) *powercut.FS {
	t.Helper()
	if t.random.IntN(2) == 0 {
		opts.SyncDelay = t.syncDelay
	}
	fs, err := powercut.Mount(t.disk(), t.mount(), opts)
	t.must(err)
	t.Cleanup(func() { t.must(fs.Close()) })
	return fs
}

// copyDisk returns a copy of what is left after a cut. It is looked at in the disk's
// place: who opens a database or a stream repairs it, and the next program is to find
// it as it was left.
func (t *trial) copyDisk() string {
	t.Helper()
	dir := filepath.Join(t.base, "copy")
	t.must(os.RemoveAll(dir))
	if out, err := exec.Command("cp", "-a", t.disk(), dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the disk: %v\n%s", err, out)
	}
	return dir
}

// cutSoon cuts the power after a random number of operations, from 10 to most. Its
// logarithm is uniform, so that migrations and starts get their share.
func (t *trial) cutSoon(fs *powercut.FS, most float64) <-chan powercut.Report {
	n := 10 * math.Pow(most/10, t.random.Float64())
	return fs.CutAfter(int(n), t.random.Uint64())
}

// await waits for the cut, and for no longer than the program under test runs.
func (t *trial) await(cut <-chan powercut.Report, ended <-chan struct{}) {
	t.Helper()
	select {
	case r := <-cut:
		t.add(r)
		return
	case <-ended:
	case <-time.After(2 * time.Minute):
		t.Fatal("no cut in 2 minutes: nothing is written")
	}
	select { // it can end before the report is there
	case r := <-cut:
		t.add(r)
	case <-time.After(10 * time.Second):
		t.Fatal("the program ended before the cut")
	}
}

func (t *trial) add(r powercut.Report) {
	t.result.cuts++
	f := &t.result.found
	f.Pages += r.Pages
	f.PagesLost += r.PagesLost
	f.PagesTorn += r.PagesTorn
	f.Names += r.Names
	f.NamesLost += r.NamesLost
}

func (t *trial) done() {
	t.result.time = time.Since(t.start)
	report(t.result)
}

// lose reports something acknowledged that is not there.
func (t *trial) lose(format string, args ...any) {
	t.Helper()
	t.result.lost++
	if t.result.lost <= 5 && !t.lossy {
		t.Errorf("cut %d: "+format, append([]any{t.result.cuts}, args...)...)
	}
}
