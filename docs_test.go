package eventus_test

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README's code is code that runs: the tour, and its tests, the whole of
// which are as short as the README says.
func TestTheReadmesCodeIsTested(t *testing.T) {
	readme := readText(t, "README.md")
	blocks := blocksOf(readme, "go")
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d blocks of Go, want the tour and its tests", len(blocks))
	}
	for i, file := range []string{"example_test.go", "tour_test.go"} {
		_, code, _ := strings.Cut(readText(t, file), "\n)\n")
		if blocks[i] != strings.TrimPrefix(code, "\n") {
			t.Errorf("block %d of Go in README.md is not what follows the imports of %s; copy it again", i+1, file)
		}
	}
	if lines := strings.Count(readText(t, "tour_test.go"), "\n"); !strings.Contains(readme, fmt.Sprintf(" %d lines", lines)) {
		t.Errorf("README.md does not say that tour_test.go has %d lines", lines)
	}
}

// What productd logs, and what it answers, is what the README prints.
func TestTheReadmesCommandsAnswerAsPrinted(t *testing.T) {
	readme := readText(t, "README.md")
	sample := startProductd(t, "-data", t.TempDir())
	log := sample.log()
	cut := regexp.MustCompile(`event_id=\S+|data=\S+|history=\S+|http://[\d.:]+`)
	for _, block := range blocksOf(readme, "") {
		for line := range strings.Lines(block) {
			if line = cut.ReplaceAllString(strings.TrimSpace(line), "..."); strings.HasPrefix(line, "msg=") && !slices.ContainsFunc(log, func(real string) bool {
				return strings.HasSuffix(cut.ReplaceAllString(real, "..."), " "+line)
			}) {
				t.Errorf("productd does not log %s; it logs\n%s", line, strings.Join(log, "\n"))
			}
		}
	}
	answered := 0
	for _, block := range blocksOf(readme, "console") {
		answered += checkAnswers(t, sample.url, block)
	}
	if answered == 0 {
		t.Error("README.md has no curl line")
	}
}

// checkAnswers compares the answers at url with those that follow the curl lines
// of a block, and returns the number of these lines.
func checkAnswers(t *testing.T, url, block string) (answered int) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(block), "\n")
	for i, line := range lines {
		command, ok := strings.CutPrefix(line, "$ curl ")
		if !ok {
			continue
		}
		if i+1 == len(lines) {
			t.Fatalf("no answer follows %q", line)
		}
		if got := curl(t, url, command); got != lines[i+1] {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, lines[i+1])
		}
		answered++
	}
	return answered
}

// curl does what the command line says, at url, and returns the body.
func curl(t *testing.T, url, line string) string {
	t.Helper()
	method, body, header := http.MethodGet, "", make(http.Header)
	var target string
	words := regexp.MustCompile(`'([^']*)'|\S+`).FindAllString(line, -1)
	for i := 0; i < len(words); i++ {
		next := func() string { i++; return strings.Trim(words[i], "'") }
		switch words[i] {
		case "-X":
			method = next()
		case "-H":
			name, value, _ := strings.Cut(next(), ": ")
			header.Set(name, value)
		case "-d":
			if body = next(); method == http.MethodGet {
				method = http.MethodPost
			}
		default:
			target = strings.Trim(words[i], "'")
		}
	}
	path, ok := strings.CutPrefix(target, "http://127.0.0.1:8080/")
	if !ok {
		t.Fatalf("%q does not go to productd", line)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(answer))
}

// The README's table of flags is that of productd.
func TestTheReadmeNamesProductdsFlags(t *testing.T) {
	help, err := exec.Command("go", "run", "./product/cmd/productd", "-h").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, flag := range regexp.MustCompile(`(?m)^  -([\w-]+)(?: \w+)?\n.* \((PRODUCTD_\w+)\)`).FindAllSubmatch(help, -1) {
		want = append(want, string(flag[1])+" "+string(flag[2]))
	}
	var got []string
	readme := readText(t, "README.md")
	for _, row := range regexp.MustCompile("(?m)^\\| `-([\\w-]+)` \\| `(\\w+)` ").FindAllStringSubmatch(readme, -1) {
		got = append(got, row[1]+" "+row[2])
	}
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("README.md lists the flags %q, productd has %q", got, want)
	}
	// Outside of the table they may be named too.
	for _, named := range regexp.MustCompile("`-([\\w-]+)|(PRODUCTD_\\w+)").FindAllStringSubmatch(readme, -1) {
		if !slices.ContainsFunc(want, func(flag string) bool { return slices.Contains(strings.Fields(flag), named[1]+named[2]) }) {
			t.Errorf("README.md names %s, which productd does not have", named[0])
		}
	}
}

// Every promise names tests, and every test that docs/guarantees.md names is in
// the tree.
func TestGuaranteesNameTests(t *testing.T) {
	text := readText(t, "docs/guarantees.md")
	promises := strings.Split(text, "\n## ")[1:]
	if len(promises) != 11 {
		t.Errorf("%d promises, want 11", len(promises))
	}
	proof := regexp.MustCompile("(?m)^- `[^`]+`.*$")
	for i, promise := range promises {
		title, _, _ := strings.Cut(promise, "\n")
		if !strings.HasPrefix(title, fmt.Sprintf("%d. ", i+1)) {
			t.Errorf("promise %d is called %q", i+1, title)
		}
		for _, word := range []string{"\nProved by:\n", "\nLimits: "} {
			if !strings.Contains(promise, word) {
				t.Errorf("%s: no %q", title, strings.TrimSpace(word))
			}
		}
		lines := proof.FindAllString(promise, -1)
		if len(lines) == 0 {
			t.Errorf("%s: nothing proves it", title)
		}
		for _, line := range lines {
			checkProof(t, line)
		}
	}
	for _, name := range regexp.MustCompile("`[a-z/]+\\.(?:Test|Fuzz)\\w+`").FindAllString(text, -1) {
		checkProof(t, name)
	}
}

// checkProof looks for a package or a test in backquotes, and for the sentences
// of subtests in quotes, all in one folder.
func checkProof(t *testing.T, line string) {
	t.Helper()
	name := strings.Split(line, "`")[1]
	folder, function, isTest := strings.Cut(name, ".")
	if folder == "eventus" {
		folder = "."
	}
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s: no such package", name)
		return
	}
	var source strings.Builder
	for _, file := range files {
		source.WriteString(readText(t, file))
	}
	if isTest && !strings.Contains(source.String(), "\nfunc "+function+"(") {
		t.Errorf("%s: no such test", name)
	}
	for _, sentence := range regexp.MustCompile(`"[^"]+"`).FindAllString(line, -1) {
		if !strings.Contains(source.String(), sentence) {
			t.Errorf("%s has no %s", name, sentence)
		}
	}
}

// Links between files lead somewhere, also those to a heading.
func TestLinksResolve(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		prose := fenced.ReplaceAllString(readText(t, path), "")
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(prose, -1) {
			if !strings.Contains(link[1], "://") {
				checkLink(t, path, link[1])
				checked++
			}
		}
		return nil
	})
	if err != nil || checked == 0 {
		t.Errorf("checked %d links: %v", checked, err)
	}
}

func checkLink(t *testing.T, from, link string) {
	t.Helper()
	target, heading, hasHeading := strings.Cut(link, "#")
	file := from
	if target != "" {
		file = filepath.Join(filepath.Dir(from), filepath.FromSlash(target))
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("%s links to %s: %v", from, link, err)
		return
	}
	if !hasHeading {
		return
	}
	// As GitHub makes a heading's id: lower case, no punctuation, dashes for spaces.
	punctuation := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, title := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(readText(t, file), -1) {
		if strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(title[1]), ""), " ", "-") == heading {
			return
		}
	}
	t.Errorf("%s links to %s: no such heading", from, link)
}

// fenced is a block of code in Markdown: its language, and its lines.
var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// blocksOf returns the fenced blocks of a language.
func blocksOf(markdown, language string) []string {
	var blocks []string
	for _, block := range fenced.FindAllStringSubmatch(markdown, -1) {
		if block[1] == language {
			blocks = append(blocks, block[2])
		}
	}
	return blocks
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}
