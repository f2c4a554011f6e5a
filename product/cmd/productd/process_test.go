package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// asProductd makes the test binary be productd: what is tested is a process of
// its own that can be killed.
const asProductd = "EVENTUS_TEST_AS_PRODUCTD"

func TestMain(m *testing.M) {
	if os.Getenv(asProductd) != "" || os.Getenv(asNATS) != "" {
		go func() { // its input ends when the test that started it has died
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(2)
		}()
		if os.Getenv(asNATS) != "" {
			serveNATS()
		}
		main()
		return
	}
	os.Exit(m.Run())
}

// process is a running productd on a free port of the loopback.
type process struct {
	cmd    *exec.Cmd
	url    chan string // gets the URL when it serves, closed when it has ended
	stderr bytes.Buffer
}

var serving = regexp.MustCompile(`msg="serving.*url=(\S+)`)

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{url: make(chan string, 1)}
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), asProductd+"=1")
	p.cmd.Stderr = &p.stderr
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.url)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if found := serving.FindStringSubmatch(lines.Text()); found != nil {
				p.url <- found[1]
			}
		}
	}()
	return p
}

// waitForURL returns when the process serves.
func (p *process) waitForURL(t *testing.T) string {
	t.Helper()
	url, ok := <-p.url
	if !ok {
		_ = p.cmd.Wait()
		t.Fatalf("productd did not start: %s", p.stderr.String())
	}
	return url
}

// end waits for the process, after a signal if there is one, and returns its
// exit code: -1 for one that was killed.
func (p *process) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	if signal != nil {
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatalf("%v: %v, stderr: %s", signal, err, p.stderr.String())
		}
	}
	for range p.url { // until its output ends
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func TestProcess(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(fmt.Sprintf("%v stops it softly", signal), func(t *testing.T) {
			p := startProcess(t, "-data", t.TempDir())
			p.waitForURL(t)
			if code := p.end(t, signal); code != 0 || p.stderr.Len() > 0 {
				t.Errorf("exit code %d, stderr: %s", code, p.stderr.String())
			}
		})
	}
	t.Run("a second one on the same folder says so and stops", func(t *testing.T) {
		folder := t.TempDir()
		first := startProcess(t, "-data", folder)
		first.waitForURL(t)
		second := startProcess(t, "-data", folder)
		code, said := second.end(t, nil), second.stderr.String()
		if code != 1 || strings.Count(said, "\n") != 1 || !strings.Contains(said, folder) || !strings.Contains(said, "-data") {
			t.Errorf("exit code %d, stderr: %s", code, said)
		}
		first.end(t, os.Interrupt)
	})
}
