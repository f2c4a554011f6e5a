package brokertest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker/brokertest"
)

// A suite that fails, or skips, cannot run inside a test that passes. So it runs
// in a process of its own: this test binary, with this variable set.
const inChild = "EVENTUS_BROKERTEST_CHILD"

// runInChild runs one clause of the suite as a subtest of t in a child process,
// and returns what go test -v would print. In the child itself it does not
// return. What hangs there ends after half of the timeout.
func runInChild(t *testing.T, clause string, open brokertest.Open) string {
	t.Helper()
	if os.Getenv(inChild) != "" {
		brokertest.Run(t, open)
		t.SkipNow()
	}
	var pattern []string
	for name := range strings.SplitSeq(t.Name()+"/"+underscored(clause), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(name)+"$")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.timeout", "4s", "-test.run", strings.Join(pattern, "/"))
	child.Env = append(os.Environ(), inChild+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := child.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

func underscored(sentence string) string { return strings.ReplaceAll(sentence, " ", "_") }

// Every fault is one that has been seen in a broker or its client; the suite
// must tell it by the sentence that is broken.
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

func TestAnAcknowledgementWaitThatIsTooShortIsSkippedAloud(t *testing.T) {
	out := runInChild(t, "InProgress starts the acknowledgement wait anew", func(t testing.TB, ackWait time.Duration) brokertest.Backend {
		if ackWait < 10*time.Second {
			t.Skip("the server's least acknowledgement wait is 10 s")
		}
		return open(t, ackWait)
	})
	if strings.Contains(out, "FAIL") || !strings.Contains(out, "the server's least acknowledgement wait is 10 s") {
		t.Errorf("got\n%s", out)
	}
}
