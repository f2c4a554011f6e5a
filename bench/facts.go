package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// fact is a property of the run that the figures depend on.
type fact struct{ name, value string }

// modules are the dependencies whose versions are reported.
var modules = []fact{
	{"pgx", "github.com/jackc/pgx/v5"},
	{"NATS server", "github.com/nats-io/nats-server/v2"},
	{"nats.go", "github.com/nats-io/nats.go"},
	{"SQLite driver", "modernc.org/sqlite"},
	{"goes", "github.com/modernice/goes"},
	{"watermill", "github.com/ThreeDotsLabs/watermill"},
	{"watermill-sql", "github.com/ThreeDotsLabs/watermill-sql/v4"},
	{"watermill-nats", "github.com/ThreeDotsLabs/watermill-nats/v2"},
	{"river", "github.com/riverqueue/river"},
}

// lookAround returns the facts of this run. An unknown fact has the error as its
// value.
func lookAround(ctx context.Context, l *lab, rounds int, slice time.Duration) []fact {
	facts := []fact{
		{"date", time.Now().UTC().Format(time.DateOnly)},
		{"commit", commit(ctx)},
		{"machine", fmt.Sprintf("%s, %d CPUs, %s/%s", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)},
		{"Go", strings.TrimPrefix(runtime.Version(), "go")},
		{"PostgreSQL", postgresFacts(ctx, l)},
		{"SQLite", sqliteVersion(ctx)},
		{"slices", fmt.Sprintf("%d of %v for each contender", rounds, slice)},
	}
	build, _ := debug.ReadBuildInfo()
	for _, m := range modules {
		if i := slices.IndexFunc(build.Deps, func(d *debug.Module) bool { return d.Path == m.value }); i >= 0 {
			facts = append(facts, fact{m.name, build.Deps[i].Version})
		}
	}
	return facts
}

func unknown(err error) string { return fmt.Sprintf("unknown: %v", err) }

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return unknown(err)
	}
	return strings.TrimSpace(string(out))
}

func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "processor of unknown model"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor of unknown model"
}

func postgresFacts(ctx context.Context, l *lab) string {
	if l.server == nil {
		return "not used"
	}
	conn, err := pgx.Connect(ctx, l.server.URL())
	if err != nil {
		return unknown(err)
	}
	defer conn.Close(ctx)
	var facts []string
	for _, setting := range []string{"server_version", "fsync", "synchronous_commit"} {
		var value string
		if err := conn.QueryRow(ctx, "SHOW "+setting).Scan(&value); err != nil {
			return unknown(err)
		}
		if setting != "server_version" {
			value = setting + " " + value
		}
		facts = append(facts, value)
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		facts = append(facts, name+" "+settings[name])
	}
	return strings.Join(facts, ", ")
}

func sqliteVersion(ctx context.Context) (version string) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return unknown(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return unknown(err)
	}
	return version + ", WAL, synchronous FULL"
}

// caption returns the most important facts in three lines, for plots.
func (r report) caption() string {
	var lines [3][]string
	for _, f := range r.facts {
		switch f.name {
		case "date", "machine", "slices":
			lines[0] = append(lines[0], f.value)
		case "commit":
			lines[0] = append(lines[0], "commit "+f.value)
		case "PostgreSQL":
			lines[1] = append(lines[1], "PostgreSQL "+f.value)
		case "Go", "SQLite", "NATS server":
			lines[2] = append(lines[2], f.name+" "+f.value)
		}
	}
	return strings.Join([]string{strings.Join(lines[0], "; "), strings.Join(lines[1], "; "), strings.Join(lines[2], "; ")}, "\n")
}
