package storetest_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/storetest"
)

// A suite that fails, or skips, cannot run inside a test that passes. So it runs
// in a process of its own: this test binary, with this variable set.
const inChild = "EVENTUS_STORETEST_CHILD"

// runInChild runs the suite as a subtest of t in a child process, or one clause
// of it, and returns what go test -v would print. In the child itself it does
// not return.
func runInChild[Tx any](t *testing.T, clause string, open func(testing.TB) storetest.Backend[Tx]) string {
	t.Helper()
	if os.Getenv(inChild) != "" {
		storetest.Run(t, open)
		t.SkipNow()
	}
	var pattern []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(name)+"$")
	}
	if clause != "" {
		pattern = append(pattern, "^"+regexp.QuoteMeta(underscored(clause))+"$")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", strings.Join(pattern, "/"),
		"-rapid.nofailfile", "-rapid.shrinktime=0s")
	child.Env = append(os.Environ(), inChild+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := child.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

func underscored(sentence string) string { return strings.ReplaceAll(sentence, " ", "_") }

// Every fault is one that has been seen in an event store; the suite must tell
// it by the sentence that is broken.
func TestFaultsAreFound(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			out := runInChild(t, f.breaks, f.open)
			if want := "--- FAIL: " + t.Name() + "/" + underscored(f.breaks) + " ("; !strings.Contains(out, want) {
				t.Errorf("the suite did not print %q:\n%s", want, out)
			}
		})
	}
}

func storeOnly(testing.TB) storetest.Backend[any] {
	return storetest.Backend[any]{Store: struct{ store.Store }{memory.New()}}
}

func BenchmarkAStoreByItself(b *testing.B) { storetest.Bench(b, storeOnly) }

func TestAStoreByItself(t *testing.T) {
	t.Run("passes, and what it lacks is skipped aloud", func(t *testing.T) {
		out := runInChild(t, "", storeOnly)
		if strings.Contains(out, "FAIL") {
			t.Errorf("it fails:\n%s", out)
		}
		for _, capability := range []string{
			"store.Log", "store.Outbox", "store.Snapshots", "store.Inbox", "store.Consumers", "store.Watcher", "store.Leases", "Backend.Reopen",
		} {
			if !strings.Contains(out, "--- SKIP: "+t.Name()+"/"+capability+" (") {
				t.Errorf("the lack of %s is not skipped aloud", capability)
			}
		}
		if want := "is no store.Snapshots: repositories over it cannot use WithSnapshotEvery"; !strings.Contains(out, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
		if strings.Contains(out, "Backend.Rewind") {
			t.Error("without snapshots the lack of Rewind means nothing, and it is skipped aloud")
		}
	})
	t.Run("has benchmarks, and those that it lacks are skipped aloud", func(t *testing.T) {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^$", "-test.benchtime", "1x",
			"-test.bench", "^BenchmarkAStoreByItself$/^(append_1_event,_writers=1|store.*)$")
		out, err := child.CombinedOutput()
		for _, want := range []string{
			"BenchmarkAStoreByItself/append_1_event,_writers=1", "is no store.Log", "is no store.Outbox", "is no store.Snapshots", "is no store.Inbox",
		} {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("no %q, error %v:\n%s", want, err, out)
			}
		}
	})
}

// No clause of one capability needs another.
func TestEachCapabilityAloneBesideTheStore(t *testing.T) {
	type appender interface {
		Append(context.Context, store.Stream, store.Expected, []store.Event) (int64, error)
	}
	for name, with := range map[string]func(*memory.Store) store.Store{
		"log": func(s *memory.Store) store.Store {
			return struct {
				appender
				store.Log
			}{s, s}
		},
		"outbox": func(s *memory.Store) store.Store {
			return struct {
				store.Store
				store.Outbox
			}{s, s}
		},
		"snapshots": func(s *memory.Store) store.Store {
			return struct {
				store.Store
				store.Snapshots
			}{s, s}
		},
		"an inbox on top of a store that it has nothing to do with": func(s *memory.Store) store.Store {
			return struct {
				store.Store
				store.Inbox[*memory.Tx]
			}{memory.New(), s}
		},
		"consumers on top of a store that they have nothing to do with": func(s *memory.Store) store.Store {
			return struct {
				store.Store
				store.Consumers[*memory.Tx]
			}{memory.New(), s}
		},
		"watcher": func(s *memory.Store) store.Store {
			return struct {
				store.Store
				store.Watcher
			}{s, s}
		},
		"leases": func(s *memory.Store) store.Store {
			return struct {
				store.Store
				store.Leases
			}{s, s}
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Backend[*memory.Tx] {
				b := open(t)
				b.Store = with(memory.New())
				return b
			})
		})
	}
}

// pointers takes its snapshots by pointer, so that no repository finds them.
type pointers struct{ store.Store }

func (pointers) WriteSnapshot(context.Context, *store.Snapshot) error { return nil }

func (p pointers) ReadSnapshot(ctx context.Context, s store.Stream, schema, limit int) (store.Snapshot, []store.Message, error) {
	return store.Snapshot{}, nil, nil
}

// half forgot a method.
type half struct{ store.Store }

func (half) WriteSnapshot(context.Context, store.Snapshot) error { return nil }

func TestMistakesOfAnAuthorAreNamed(t *testing.T) {
	named := func(name, want string, out func(t *testing.T) string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := out(t); !strings.Contains(got, want) {
				t.Errorf("nothing says %q:\n%s", want, got)
			}
		})
	}
	anyTx := func(s store.Store) func(t *testing.T) string {
		return func(t *testing.T) string {
			return runInChild(t, "store.Snapshots", func(testing.TB) storetest.Backend[any] { return storetest.Backend[any]{Store: s} })
		}
	}
	named("no store", "Backend.Store is nil", anyTx(nil))
	named("a method in another form",
		"has the methods of store.Snapshots, and yet is none: WriteSnapshot is func(context.Context, *store.Snapshot) error, want func(context.Context, store.Snapshot) error",
		anyTx(pointers{memory.New()}))
	named("a method that is missing", "storetest_test.half is no store.Snapshots (it has no ReadSnapshot)", anyTx(half{memory.New()}))
	named("an inbox of another transaction than Tx", "has the methods of store.Inbox, and yet is none: ", anyTx(memory.New()))
	named("consumers without Put and Get", "keeps consumers, and Backend.Put or Backend.Get is nil", func(t *testing.T) string {
		return runInChild(t, "", func(testing.TB) storetest.Backend[*memory.Tx] {
			return storetest.Backend[*memory.Tx]{Store: struct {
				store.Store
				store.Consumers[*memory.Tx]
			}{memory.New(), memory.New()}}
		})
	})
	named("an inbox without Put and Get", "Backend.Put or Backend.Get is nil", func(t *testing.T) string {
		return runInChild(t, "", func(testing.TB) storetest.Backend[*memory.Tx] {
			return storetest.Backend[*memory.Tx]{Store: memory.New()}
		})
	})
}
