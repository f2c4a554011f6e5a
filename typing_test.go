package eventus_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What the compiler proves. Each program but the first is wrong in one line,
// and must not compile.
const program = `package service

import (
	"context"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"pgregory.net/rapid"
)

type State struct{ Name string; Price int64; Discontinued bool }

type Event interface{ eventus.Event[State] }

type Created struct{ Name string; Price int64 }
type Repriced struct{ Price int64 }
type Discontinued struct{}

func (e Created) Apply(s *State)  { s.Name, s.Price = e.Name, e.Price }
func (e Repriced) Apply(s *State) { s.Price = e.Price }
func (Discontinued) Apply(s *State) { s.Discontinued = true }

type createdV0 struct{ Title string }

type Product struct{ eventus.Aggregate[State, Event] }

func (p *Product) Reprice(to int64) error {
	p.Record(Repriced{to})
	return nil
}

func (p *Product) Discontinue() error {
	p.Record(Discontinued{})
	return nil
}

type OtherState struct{}
type OtherEvent interface{ eventus.Event[OtherState] }
type Other struct{ eventus.Aggregate[OtherState, OtherEvent] }
type Happened struct{}

func (Happened) Apply(*OtherState) {}

var Others = eventus.Define("other", eventus.New[Other], eventus.Type[Happened]("other.happened"))

type Mute struct{}

var Products = eventus.Define("product", eventus.New[Product],
	eventus.Type[Created]("product.created"),
	eventus.Type[Repriced]("product.repriced"),
	eventus.Type[Discontinued]("product.discontinued"),
	eventus.Upcast("product.created.v0", func(o createdV0) Created { return Created{Name: o.Title} }),
)

func handle(context.Context, eventus.Message[Event]) error { return nil }
func handleOther(context.Context, eventus.Message[OtherEvent]) error { return nil }

func use(ctx context.Context, s store.Store, t *testing.T) error {
	products := eventus.NewRepository(s, Products)
	_, err := products.Update(ctx, "p-1", func(p *Product) error { return p.Reprice(1299) })
	p, err := products.Load(ctx, "p-1")
	_ = p
	for m, err := range eventus.History(ctx, products, "p-1") {
		var _ Event = m.Event
		_ = err
	}
	var h eventus.Handler[Event] = eventus.HandlerFunc[Event](handle)
	_ = h
	eventustest.For(t, Products).Given(Created{"Widget", 1299}).When((*Product).Discontinue).Then(Discontinued{})
	eventustest.Check(t, Products, eventustest.Do1((*Product).Reprice, rapid.Int64()), eventustest.Do((*Product).Discontinue))
	eventustest.LawsOf(Products, eventustest.Do((*Product).Discontinue)).Invariant(priced).Check(t)
	eventustest.Contract(t, Products, "product.golden", Created{}, Repriced{})
	eventustest.ForProjection(t, Products, openView(t)).Given(Created{"Widget", 1299}).Then(1299)
	eventustest.CheckProjection(t, Products, openView, eventustest.Do((*Product).Discontinue))
	var sent eventustest.Sent
	eventustest.ForHandler(t, Products, h, &sent).Given(Created{"Widget", 1299}).When(Discontinued{}).ThenNothing()
	// line
	return err
}

func priced(s State) error { return nil }

func project(context.Context, *memory.Tx, eventus.Message[Event]) error { return nil }

func price(context.Context, string) (int64, error) { return 0, nil }

func openView(testing.TB) eventustest.ReadModel[*memory.Tx, Event, int64] {
	return eventustest.Projection(memory.New(), consume.HandlerFunc[*memory.Tx, Event](project), price)
}
`

func TestWhatTheCompilerProves(t *testing.T) {
	imports := exportData(t, "testing", "github.com/eventus-go/eventus/eventustest", "pgregory.net/rapid")
	for name, c := range map[string]struct{ line, want string }{
		"the design compiles as it is shown": {"", ""},
		"an event of another aggregate is not recorded": {
			`p.Record(Happened{})`, "Happened does not implement Event"},
		"a value without Apply is not recorded": {
			`p.Record(Mute{})`, "Mute does not implement Event"},
		"a type without Apply is not registered": {
			`_ = eventus.Type[Mute]("mute")`, "missing method Apply"},
		"an event of another aggregate is not registered": {
			`eventus.Define("product", eventus.New[Product], eventus.Type[Created]("a"), eventus.Type[Happened]("b"))`, "EventType[OtherState]"},
		"an upcast does not lead to another aggregate's event": {
			`eventus.Define("product", eventus.New[Product], eventus.Type[Created]("a"), eventus.Upcast("b", func(createdV0) Happened { return Happened{} }))`, "EventType[OtherState]"},
		"what is no aggregate is not defined": {
			`eventus.Define("mute", eventus.New[Mute], eventus.Type[Created]("a"))`, "Mute"},
		"a handler of other events does not fit": {
			`var _ eventus.Handler[Event] = eventus.HandlerFunc[OtherEvent](handleOther)`, "wrong type for method Handle"},
		"another aggregate's event is not given to a test": {
			`eventustest.For(t, Products).Given(Happened{})`, "Happened does not implement Event"},
		"another aggregate's event is not expected by a test": {
			`eventustest.For(t, Products).When((*Product).Discontinue).Then(Happened{})`, "Happened does not implement Event"},
		"another aggregate's decision is not tested": {
			`eventustest.For(t, Products).When(func(*Other) error { return nil })`, "func(*Other) error"},
		"another aggregate's command is not checked": {
			`eventustest.Check(t, Products, eventustest.Do(func(*Other) error { return nil }))`, "Command[*Other]"},
		"a generator of another type does not fit a command": {
			`eventustest.Do1((*Product).Reprice, rapid.String())`, "Generator[string]"},
		"an invariant of another state does not fit": {
			`eventustest.LawsOf(Products).Invariant(func(OtherState) error { return nil })`, "func(OtherState) error"},
		"another aggregate's event is no sample": {
			`eventustest.Contract(t, Products, "product.golden", Happened{})`, "does not satisfy eventus.Event[S]"},
		"another aggregate's projection is not tested": {
			`eventustest.ForProjection(t, Others, openView(t))`, "Event"},
		"another row is not wanted of a projection": {
			`eventustest.ForProjection(t, Products, openView(t)).Then("Widget")`, "int64"},
		"another aggregate is not updated": {
			`_, _ = products.Update(ctx, "p-1", func(*Other) error { return nil })`, "func(*Other) error"},
	} {
		t.Run(name, func(t *testing.T) {
			err := typeCheck(t, imports, strings.Replace(program, "// line", c.line, 1))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("does not compile: %v", err)
			case c.want != "" && err == nil:
				t.Errorf("compiles: %s", c.line)
			case c.want != "" && !strings.Contains(err.Error(), c.want):
				t.Errorf("does not compile for another reason: %v", err)
			}
		})
	}
}

func typeCheck(t *testing.T, imports types.Importer, source string) error {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "service.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: imports, GoVersion: "go1.26"}
	_, err = config.Check("service", files, []*ast.File{file}, nil)
	return err
}

// exportData returns an importer of compiled packages and what they import.
func exportData(t *testing.T, packages ...string) types.Importer {
	t.Helper()
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, packages...)
	list := exec.Command("go", args...)
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
}
