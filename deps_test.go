package eventus_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/eventus-go/eventus"

// rules says which packages of this module, and which modules of others, each
// package may import outside of its tests. A package without a rule fails, so
// that a new one is placed by thought.
var rules = map[string]struct {
	own    []string
	others []string
}{
	"":                             {own: []string{"codec", "store"}, others: []string{"github.com/google/uuid", "github.com/sethvargo/go-retry"}},
	"codec":                        {others: []string{"github.com/goccy/go-json"}},
	"store":                        {},
	"store/memory":                 {own: []string{"store"}},
	"store/postgres":               {own: []string{"internal/combine", "internal/positions", "internal/quiet", "store"}, others: []string{"github.com/jackc/pgx/v5"}},
	"store/sqlite":                 {own: []string{"internal/combine", "internal/positions", "store"}}, // the driver is the program's choice
	"store/storetest":              {own: []string{"store"}, others: []string{"pgregory.net/rapid", "github.com/google/go-cmp"}},
	"broker":                       {},
	"broker/cloudevents":           {own: []string{"broker", "store"}},
	"broker/memory":                {own: []string{"broker"}},
	"broker/jetstream":             {own: []string{"broker"}, others: []string{"github.com/nats-io/nats.go"}},
	"broker/brokertest":            {own: []string{"broker"}},
	"internal/combine":             {own: []string{"store"}},
	"internal/pause":               {others: []string{"github.com/sethvargo/go-retry"}},
	"internal/positions":           {},
	"internal/quiet":               {},
	"consume":                      {own: []string{"", "store", "broker", "broker/cloudevents", "internal/pause", "internal/quiet"}, others: []string{"github.com/google/uuid", "github.com/sethvargo/go-retry"}},
	"outbox":                       {own: []string{"store", "broker", "broker/cloudevents", "internal/pause", "internal/quiet"}, others: []string{"github.com/google/uuid"}},
	"eventustest":                  {own: []string{"", "codec", "consume", "store", "store/memory"}, others: []string{"github.com/google/go-cmp", "pgregory.net/rapid"}},
	"eventustest/internal/order":   {own: []string{"", "store/memory"}},
	"eventustest/pgtest":           {others: []string{"github.com/jackc/pgx/v5", "github.com/testcontainers/testcontainers-go"}},
	"eventustest/natstest":         {own: []string{"infra/natsd"}, others: []string{"github.com/nats-io/nats.go"}},
	"infra/natsd":                  {others: []string{"github.com/nats-io/nats-server", "github.com/nats-io/nats.go", "github.com/gofrs/flock"}},
	"product":                      {own: []string{"", "codec", "consume", "store"}, others: []string{"github.com/goccy/go-json", "github.com/google/uuid", "github.com/jackc/pgx/v5", "golang.org/x/text"}},
	"vet":                          {others: []string{"golang.org/x/tools"}},
	"cmd/eventusvet":               {own: []string{"vet"}, others: []string{"golang.org/x/tools"}},
	"product/cmd/internal/program": {own: []string{"broker/jetstream"}, others: []string{"github.com/gofrs/flock", "github.com/peterbourgon/ff"}},
	// Another service: it has neither package product nor the store of productd.
	"product/cmd/pricewatch": {
		own:    []string{"", "broker/jetstream", "consume", "product/cmd/internal/program", "store", "store/sqlite"},
		others: []string{"github.com/nats-io/nats.go", "golang.org/x/sync", "golang.org/x/text", "modernc.org/sqlite"},
	},
	"product/cmd/productd": {
		own:    []string{"", "broker/jetstream", "consume", "infra/natsd", "outbox", "product", "product/cmd/internal/program", "store", "store/postgres", "store/sqlite"},
		others: []string{"github.com/jackc/pgx/v5", "github.com/nats-io/nats.go", "golang.org/x/sync", "modernc.org/sqlite"},
	},
}

// withoutReflect are the packages of the write and read path.
var withoutReflect = []string{
	"", "codec", "store", "store/memory", "store/sqlite",
	"broker", "broker/cloudevents", "broker/memory", "broker/jetstream", "outbox", "consume", "internal/combine", "internal/pause", "internal/positions", "internal/quiet",
}

// forTests are the packages that may import testing.
var forTests = []string{"eventustest", "eventustest/natstest", "eventustest/pgtest", "store/storetest", "broker/brokertest"}

type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func (p goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	list := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps"}, args...)...)
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []goPackage
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestWhoMayImportWhom(t *testing.T) {
	standard := make(map[string]bool)
	for _, p := range goList(t, "std") {
		standard[p.ImportPath] = true
	}
	for _, p := range goList(t, "./...") {
		rule, ok := rules[p.name()]
		if !ok {
			t.Errorf("%s has no rule in deps_test.go", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			switch own, isOwn := strings.CutPrefix(path, module); {
			case standard[path]:
			case isOwn && slices.Contains(rule.own, strings.TrimPrefix(own, "/")):
			case !isOwn && slices.ContainsFunc(rule.others, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") }):
			default:
				t.Errorf("%s must not import %s", p.ImportPath, path)
			}
		}
		if slices.Contains(p.Imports, "testing") && !slices.Contains(forTests, p.name()) {
			t.Errorf("%s imports testing, and with it every program that imports %[1]s", p.ImportPath)
		}
		if slices.Contains(p.Imports, "reflect") && slices.Contains(withoutReflect, p.name()) {
			t.Errorf("%s imports reflect", p.ImportPath)
		}
	}
}

// What a user does not import must not reach the user's program.
func TestWhatIsLinkedIntoAProgram(t *testing.T) {
	for name, banned := range map[string][]string{
		"":                     {"testing", "database/sql", "pgregory.net/rapid", "github.com/nats-io/nats.go", "github.com/nats-io/nats-server/v2/server", "modernc.org/sqlite", "golang.org/x/tools/go/analysis"},
		"consume":              {"testing", "database/sql", "github.com/nats-io/nats.go", "modernc.org/sqlite"},
		"outbox":               {"testing", "database/sql", "github.com/nats-io/nats.go", "modernc.org/sqlite"},
		"store/sqlite":         {"testing", "modernc.org/sqlite", "github.com/nats-io/nats.go"},
		"broker/jetstream":     {"testing", "database/sql", "github.com/nats-io/nats-server/v2/server"},
		"eventustest":          {"database/sql", "github.com/nats-io/nats.go", "modernc.org/sqlite"},
		"product/cmd/productd": {"testing", "pgregory.net/rapid", "github.com/google/go-cmp/cmp"},
		// A service that cannot read the store.
		"product/cmd/pricewatch": {"testing", module + "/product", module + "/outbox", "github.com/jackc/pgx/v5", "github.com/nats-io/nats-server/v2/server"},
	} {
		for _, p := range goList(t, strings.TrimSuffix(module+"/"+name, "/")) {
			for _, path := range banned {
				if slices.Contains(p.Deps, path) {
					t.Errorf("%s drags in %s", p.ImportPath, path)
				}
			}
		}
	}
}
