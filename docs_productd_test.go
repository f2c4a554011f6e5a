package eventus_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// productd is a running sample service.
type productd struct {
	url  string
	stop func() // softly; a second call does nothing

	ended chan struct{} // closed when all it has logged is in lines
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed at the next line
}

// buildProductd builds productd, once for all tests. TestMain removes it.
var buildProductd = sync.OnceValues(func() (binary string, err error) {
	if binaries, err = os.MkdirTemp("", "eventus-productd-"); err != nil {
		return "", err
	}
	binary = filepath.Join(binaries, "productd.exe")
	if out, err := exec.Command("go", "build", "-o", binary, "./product/cmd/productd").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

var binaries string // the folder of what was built

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries != "" {
		_ = os.RemoveAll(binaries)
	}
	os.Exit(code)
}

// startProductd runs productd on a free port, until it is stopped or the test
// ends, and returns when it serves.
func startProductd(t *testing.T, args ...string) *productd {
	t.Helper()
	binary, err := buildProductd()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &productd{ended: make(chan struct{}), more: make(chan struct{})}
	p.stop = sync.OnceFunc(func() {
		_ = command.Process.Signal(os.Interrupt)
		<-p.ended
		if err := command.Wait(); err != nil {
			t.Errorf("productd ended with %v", err)
		}
	})
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.add(lines.Text())
		}
		_, _ = io.Copy(io.Discard, stdout)
	}()
	t.Cleanup(p.stop)
	p.url = p.await(t, regexp.MustCompile(`msg="serving.* url=(\S+)`))[1]
	return p
}

func (p *productd) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.more)
	p.more = make(chan struct{})
}

// log returns the lines so far.
func (p *productd) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// await returns the first match in a line, or ends the test if productd ends
// before.
func (p *productd) await(t *testing.T, want *regexp.Regexp) []string {
	t.Helper()
	for {
		p.mu.Lock()
		lines, more := p.lines, p.more
		p.mu.Unlock()
		for _, line := range lines {
			if found := want.FindStringSubmatch(line); found != nil {
				return found
			}
		}
		select {
		case <-more:
		case <-p.ended:
			t.Fatalf("productd has ended without %v:\n%s", want, strings.Join(lines, "\n"))
		}
	}
}
