package eventustest

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// contractFormat is the version of the form in which contracts are written.
const contractFormat = 1

// contract is what a service owes to the events that it has stored.
type contract struct {
	category string
	blocks   []block
}

// block is one stored form: of an event, of an old form that is upcast, or of the
// state in a snapshot.
type block struct {
	kind, name string
	fields     []field
	samples    []sample
}

const (
	kindEvent  = "event"
	kindUpcast = "upcast"
	kindState  = "state"
)

// sample is a stored form as it was once written, and what it was read as then:
// the wire name, where that is another one, and the event in JSON.
type sample struct {
	contentType, data string
	as, reads         string
}

// find returns the block of a stored form, nil when there is none. An event may
// have become an old form meanwhile.
func (c *contract) find(b block) *block {
	for i := range c.blocks {
		if (c.blocks[i].kind == kindState) == (b.kind == kindState) && c.blocks[i].name == b.name {
			return &c.blocks[i]
		}
	}
	return nil
}

const contractHead = `# The contract of the events of %[1]q: what is stored, and how it is read. Services
# and databases hold on to it, so that a change of a line below needs a thought.
# It is written by go test -eventus.update, and goes into version control.

contract %[2]d
category %[1]s
`

// write returns the contract as a file.
func (c *contract) write() string {
	var b strings.Builder
	fmt.Fprintf(&b, contractHead, c.category, contractFormat)
	for _, block := range c.blocks {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(block.kind+" "+block.name))
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, f := range block.fields {
			fmt.Fprintf(table, "  %s\t%s\n", quotedPath(f.path), f.typ)
		}
		_ = table.Flush()
		for _, s := range block.samples {
			fmt.Fprintf(&b, "  sample: %s %s\n", s.contentType, armoured(s.data))
			if s.as != "" {
				fmt.Fprintf(&b, "  as:     %s\n", s.as)
			}
			fmt.Fprintf(&b, "  reads:  %s\n", s.reads)
		}
	}
	return b.String()
}

// quotedPath puts a path into quotes that is not plain, so that no name of a
// field is taken for a word of the file.
func quotedPath(path string) string {
	if plainPath.MatchString(path) {
		return path
	}
	return strconv.Quote(path)
}

var plainPath = regexp.MustCompile(`^[\pL\pN_.\[\]{}-]+$`)

// armoured keeps what is no line of text in Base64.
func armoured(data string) string {
	if isLine(data) && data != "" && data == strings.TrimSpace(data) && !strings.HasPrefix(data, base64Mark) {
		return data
	}
	return base64Mark + base64.StdEncoding.EncodeToString([]byte(data))
}

const base64Mark = "base64:"

// isLine reports whether a text can stand in a line of a file.
func isLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func unarmoured(text string) (string, error) {
	encoded, ok := strings.CutPrefix(text, base64Mark)
	if !ok {
		return text, nil
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	return string(data), err
}

// readContract reads a file. Its errors name the line.
func readContract(text string) (*contract, error) {
	c := &contract{}
	format := 0
	number := 0
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		number++
		line := lines.Text()
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !isLine(line) {
			return nil, spoilt(number, errors.New("it is no text"))
		}
		var err error
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case format == 0:
			format, err = formatOf(word, rest)
		case strings.HasPrefix(line, " "):
			err = c.readDetail(strings.TrimSpace(line))
		case word == "category":
			c.category = rest
		case slices.Contains([]string{kindEvent, kindUpcast, kindState}, word):
			next := block{kind: word, name: rest}
			if err = c.whole(); (rest == "") != (word == kindState) {
				err = errors.New("an event without its name, or a state with one")
			} else if c.find(next) != nil {
				err = fmt.Errorf("%s is there twice", line)
			}
			c.blocks = append(c.blocks, next)
		default:
			err = fmt.Errorf("%q is no part of a contract", word)
		}
		if errors.Is(err, errNewer) {
			return nil, err
		}
		if err != nil {
			return nil, spoilt(number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, spoilt(number, err)
	}
	if n := len(c.blocks); n == 0 || c.blocks[n-1].kind != kindState || c.category == "" {
		return nil, spoilt(number, errors.New("the file ends before the contract is whole"))
	}
	if err := c.whole(); err != nil {
		return nil, spoilt(number, err)
	}
	return c, nil
}

// spoilt says where a file is no contract, and the cure.
func spoilt(line int, err error) error {
	return fmt.Errorf("line %d: %w; the file is spoilt, take it from version control again", line, err)
}

// whole checks that the last block has its samples, and that it is said of each
// what it is read as.
func (c *contract) whole() error {
	if len(c.blocks) == 0 {
		return nil
	}
	last := c.blocks[len(c.blocks)-1]
	if last.kind == kindEvent && len(last.samples) == 0 {
		return fmt.Errorf("the event %s has no sample", last.name)
	}
	for _, s := range last.samples {
		if s.reads == "" {
			return fmt.Errorf("it is not said what a sample of %s is read as", last.name)
		}
	}
	return nil
}

var errNewer = errors.New("the contract is of a newer release of Eventus; upgrade the one that reads it")

func formatOf(word, rest string) (int, error) {
	format, err := strconv.Atoi(rest)
	switch {
	case word != "contract" || err != nil || format < 1:
		return 0, fmt.Errorf("want %q, have %q", fmt.Sprintf("contract %d", contractFormat), word+" "+rest)
	case format > contractFormat:
		return 0, fmt.Errorf("%w (it is of format %d, and this release reads %d)", errNewer, format, contractFormat)
	}
	return format, nil
}

// readDetail reads a line that belongs to the last block.
func (c *contract) readDetail(line string) error {
	if len(c.blocks) == 0 {
		return fmt.Errorf("%q belongs to no event", line)
	}
	last := &c.blocks[len(c.blocks)-1]
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "sample:":
		contentType, data, _ := strings.Cut(rest, " ")
		data, err := unarmoured(strings.TrimSpace(data))
		if err == nil && (contentType == "" || data == "" && !strings.HasSuffix(rest, base64Mark)) {
			err = errors.New("it has none")
		}
		if err != nil {
			return fmt.Errorf("a sample without its data: %w", err)
		}
		last.samples = append(last.samples, sample{contentType: contentType, data: data})
	case "as:", "reads:":
		if len(last.samples) == 0 || rest == "" {
			return errors.New("it is not said what is read")
		}
		if of := &last.samples[len(last.samples)-1]; word == "as:" {
			of.as = rest
		} else {
			of.reads = rest
		}
	default:
		f, err := readField(line)
		if err != nil {
			return err
		}
		last.fields = append(last.fields, f)
	}
	return nil
}

// readField reads the path of a field, which may be in quotes, and its type.
func readField(line string) (field, error) {
	path, typ, _ := strings.Cut(line, " ")
	if quoted, err := strconv.QuotedPrefix(line); err == nil {
		path, _ = strconv.Unquote(quoted)
		typ = line[len(quoted):]
	} else if !plainPath.MatchString(path) {
		return field{}, fmt.Errorf("%q is no part of a contract", path)
	}
	if typ = strings.TrimSpace(typ); typ == "" {
		return field{}, fmt.Errorf("the field %q has no type", path)
	}
	return field{path, typ}, nil
}
