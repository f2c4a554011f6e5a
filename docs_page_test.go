package eventus_test

import (
	"flag"
	"fmt"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
)

// page is a page of docs whose blocks a test runs: all of them, or the test
// fails. The shell's blocks are as one types them, with the page's variables set
// to the test's servers and folders.
type page struct {
	*testing.T
	name     string
	sections map[string]string // by heading, without those of the headings below
	used     *sync.Map         // of the headings of sections
	dir      string            // where the shell is
	shell    func(script string, env ...string) *exec.Cmd
	env      []string
}

func openPage(t *testing.T, name string) *page {
	t.Helper()
	if testing.Short() {
		t.Skip("the pages start servers")
	}
	p := &page{T: t, name: name, sections: make(map[string]string), used: new(sync.Map)}
	text := readText(t, name)
	code := fenced.FindAllStringIndex(text, -1)
	heading, from := "", 0
	for _, found := range regexp.MustCompile(`(?m)^#+ (.+)\n`).FindAllStringSubmatchIndex(text, -1) {
		if within(code, found[0]) {
			continue // a comment of the shell
		}
		p.sections[heading] = text[from:found[0]]
		heading, from = text[found[2]:found[3]], found[1]
	}
	p.sections[heading] = text[from:]
	t.Cleanup(func() {
		if t.Failed() || strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
			return // a part of the page has not been run
		}
		for heading, text := range p.sections {
			if _, used := p.used.Load(heading); !used && fenced.MatchString(text) {
				t.Errorf("%s: the blocks under %q are not tested", p.name, heading)
			}
		}
	})
	return p
}

// inFolder returns the page for a subtest, with a shell in a folder of its own.
func (p *page) inFolder(t *testing.T) *page {
	dir := t.TempDir()
	return p.in(t, dir, func(script string, env ...string) *exec.Cmd {
		cmd := exec.Command("sh", "-euc", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		return cmd
	})
}

// onServer returns the page for a subtest, with the shell of a new server, and
// the server. The subtest is skipped without one that has these programs, or fails
// where PostgreSQL is required.
func (p *page) onServer(t *testing.T, options pgtest.Options, programs ...string) (*page, *pgtest.Server) {
	t.Helper()
	t.Cleanup(func() {
		if t.Skipped() {
			for heading := range p.sections {
				p.used.Store(heading, true)
			}
		}
	})
	server := pgtest.Start(t, options)
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(server.Bin(), name)); err == nil {
			continue
		}
		hint := fmt.Sprintf("no %s beside the server: install PostgreSQL's client programs of its version", name)
		if os.Getenv("EVENTUS_REQUIRE_POSTGRES") != "" {
			t.Fatal(hint)
		}
		t.Skip(hint)
	}
	return p.in(t, server.Shell("").Dir, server.Shell), server
}

func (p *page) in(t *testing.T, dir string, shell func(script string, env ...string) *exec.Cmd) *page {
	return &page{T: t, name: p.name, sections: p.sections, used: p.used, dir: dir, shell: shell}
}

func within(ranges [][]int, at int) bool {
	for _, r := range ranges {
		if r[0] <= at && at < r[1] {
			return true
		}
	}
	return false
}

// cite checks a command that takes too long to be run: the page has it, and a file
// has what it names.
func (p *page) cite(t *testing.T, heading, command, file, declared string) {
	t.Helper()
	if block := p.blocks(heading, "console")[0]; !strings.Contains(block, command) || !strings.Contains(readText(t, file), declared) {
		t.Errorf("%s, under %q: no %s in %q, or no %s in %s", p.name, heading, command, block, declared, file)
	}
}

// set gives a variable of the page its value.
func (p *page) set(name, value string) { p.env = append(p.env, name+"="+value) }

// blocks returns the blocks of a language under a heading.
func (p *page) blocks(heading, language string) []string {
	p.Helper()
	blocks := blocksOf(p.sections[heading], language)
	if len(blocks) == 0 {
		p.Fatalf("%s has no block of %s under %q", p.name, language, heading)
	}
	p.used.Store(heading, true)
	return blocks
}

// run runs the shell's blocks under a heading, in order, and returns what they
// print.
func (p *page) run(heading string) string {
	p.Helper()
	out, err := p.try(heading)
	if err != nil {
		log, _ := p.shell(`cat "$DATA/log"`, p.env...).Output() // of a server, if there is one
		p.Fatalf("%s, under %q: %v\n%s%s", p.name, heading, err, out, log)
	}
	return out
}

func (p *page) try(heading string) (string, error) {
	p.Helper()
	out, err := p.shell(strings.Join(p.blocks(heading, "sh"), "\n"), p.env...).CombinedOutput()
	return string(out), err
}

// runGo runs the program under a heading and returns what it prints.
func (p *page) runGo(heading string, args ...string) string {
	p.Helper()
	file := filepath.Join(p.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(p.blocks(heading, "go")[0]), 0o600); err != nil {
		p.Fatal(err)
	}
	out, err := exec.Command("go", append([]string{"run", file}, args...)...).CombinedOutput()
	if err != nil {
		p.Fatalf("%s, the program under %q: %v\n%s", p.name, heading, err, out)
	}
	return string(out)
}

// sql runs a statement of the test's own by psql and returns what it prints.
func (p *page) sql(url, statement string) string {
	p.Helper()
	out, err := p.shell(`psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "$URL" --command "$STATEMENT"`,
		"URL="+url, "STATEMENT="+statement).CombinedOutput()
	if err != nil {
		p.Fatalf("%s: %v\n%s", statement, err, out)
	}
	return strings.TrimSpace(string(out))
}

// makeDir makes a folder for the page's commands.
func (p *page) makeDir(name string) string {
	p.Helper()
	if out, err := p.shell("mkdir " + name).CombinedOutput(); err != nil {
		p.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(p.dir, name)
}

// setCluster names a server that the page's commands will start: its folder, its
// options, its URL. It is stopped when the test ends.
func (p *page) setCluster(folder, options, url, name string) string {
	p.Helper()
	data, sockets := filepath.Join(p.dir, name), p.makeDir(name+"-sockets")
	p.set(folder, data)
	p.set(options, "-c listen_addresses='' -c max_connections=300 -k "+sockets)
	at := "postgres://postgres@/postgres?" + neturl.Values{"host": {sockets}}.Encode()
	p.set(url, at)
	p.Cleanup(func() {
		_ = p.shell(`[ ! -e "$AT/postmaster.pid" ] || pg_ctl --pgdata="$AT" --mode=immediate --wait stop`, "AT="+data).Run()
	})
	return at
}
