package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// asPricewatch makes the test binary be pricewatch: what is tested is a process
// of its own that can be killed.
const asPricewatch = "EVENTUS_TEST_AS_PRICEWATCH"

func TestMain(m *testing.M) {
	if os.Getenv(asPricewatch) != "" {
		go func() { // its input ends when the test that started it has died
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(2)
		}()
		main()
		return
	}
	code := m.Run()
	_ = os.Remove(productdFile)
	os.Exit(code)
}

// process is a running program.
type process struct {
	cmd         *exec.Cmd
	out, stderr output
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// count returns how many lines have all of the texts.
func (o *output) count(texts ...string) (n int) {
lines:
	for line := range strings.Lines(o.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

func startProcess(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), program, args...)}
	p.cmd.Env = append(os.Environ(), asPricewatch+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.stderr
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func startPricewatch(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcess(t, os.Args[0], args...)
}

// end sends a signal and returns the exit code: -1 for a process that was killed.
func (p *process) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%v: %v, stderr: %s", signal, err, &p.stderr)
	}
	_ = p.cmd.Wait() // the exit code is looked at
	return p.cmd.ProcessState.ExitCode()
}

var productdFile = filepath.Join(os.TempDir(), fmt.Sprintf("pricewatch-test-%d-productd.exe", os.Getpid()))

// buildProductd builds it once, because it is another package main.
var buildProductd = sync.OnceValue(func() error {
	if out, err := exec.Command("go", "build", "-o", productdFile, "../productd").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// productd is a running productd.
type productd struct {
	*process
	url, history string
}

func startProductd(t *testing.T, args ...string) *productd {
	t.Helper()
	if err := buildProductd(); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, productdFile, append([]string{"-addr", "127.0.0.1:0", "-seed=false"}, args...)...)
	serving := regexp.MustCompile(`msg="serving.*url=(\S+).*history=(\S+)`)
	var found []string
	until(t, "productd serves", p, func() bool {
		found = serving.FindStringSubmatch(p.out.String())
		return found != nil
	})
	return &productd{p, found[1], found[2]}
}

// until waits for a condition, and ends the test with what the process has
// written when it takes more than two minutes.
func until(t *testing.T, condition string, p *process, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true after two minutes: %s\n%s%s", condition, &p.out, &p.stderr)
		}
	}
}

// lines are what a process has printed, without a last one that is cut off.
func (p *process) lines() (lines []string) {
	text := p.out.String()
	for s := bufio.NewScanner(strings.NewReader(text[:strings.LastIndexByte(text, '\n')+1])); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}
