package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/store/sqlite"
)

// running is a run of productd in this process.
type running struct {
	url   string
	lines []string // what it logged before it served
	stop  func() error
}

// start runs productd on a free port until it serves.
func start(t *testing.T, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), writer)
		writer.Close()
		ended <- err
	}()
	r := running{stop: func() error { cancel(); return <-ended }}
	lines := bufio.NewScanner(reader)
	for r.url == "" && lines.Scan() {
		r.lines = append(r.lines, lines.Text())
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			r.url = found[1]
		}
	}
	if r.url == "" {
		t.Fatalf("productd ended: %v", r.stop())
	}
	go io.Copy(io.Discard, reader)
	return r
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", url, response.StatusCode, body, err)
	}
	return strings.TrimSpace(string(body))
}

func TestFirstProduct(t *testing.T) {
	const want = `{"id":"widget","name":"Widget","price":{"amount":1299,"currency":"EUR"},"discontinued":false,"version":1}`
	folder := filepath.Join(t.TempDir(), "new", "folder")

	first := start(t, "-data", folder)
	for i, station := range []string{
		"1. command accepted: CreateProduct", "2. event stored, with its outbox row, in one transaction",
		"3. relay published the event to JetStream", "4. projection applied the event and moved its position, in one transaction",
		"5. row written", "6. query answered: GetProductByID", "try it: curl " + first.url + "/products/widget", "serving",
	} {
		if i >= len(first.lines) || !strings.Contains(first.lines[i], station) {
			t.Fatalf("line %d does not tell %q:\n%s", i+1, station, strings.Join(first.lines, "\n"))
		}
	}
	if got := get(t, first.url+"/products/widget"); got != want {
		t.Errorf("got %s", got)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	second := start(t, "-data", folder)
	if !strings.Contains(second.lines[0], "there already") {
		t.Errorf("the second start logs:\n%s", strings.Join(second.lines, "\n"))
	}
	if got := get(t, second.url+"/products/widget"); got != want {
		t.Errorf("got %s", got)
	}
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()
	newer := func(t *testing.T, statement string) string {
		folder := t.TempDir()
		if err := start(t, "-data", folder, "-seed=false").stop(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(folder, "product.db")))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	file := func(t *testing.T, name string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		sentence string
		args     func(t *testing.T) []string
		says     []string
	}{
		{"a data folder that is a file", func(t *testing.T) []string {
			return []string{"-data", file(t, "file")}
		}, []string{"data folder", "-data"}},
		{"a data folder inside of a file", func(t *testing.T) []string {
			return []string{"-data", filepath.Join(file(t, "file"), "folder")}
		}, []string{"data folder", "-data"}},
		{"a port in use", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-addr", occupied.Addr().String()}
		}, []string{occupied.Addr().String(), "in use", "-addr"}},
		{"an address that is none", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-addr", "nowhere"}
		}, []string{"nowhere", "-addr"}},
		{"a database of a newer store", func(t *testing.T) []string {
			return []string{"-data", newer(t, "PRAGMA user_version = 1000")}
		}, []string{"newer", "-data"}},
		{"a database of a newer product", func(t *testing.T) []string {
			return []string{"-data", newer(t, "INSERT INTO product_migrations (number) VALUES (1000)")}
		}, []string{"newer", "-data"}},
		{"a database that is none", func(t *testing.T) []string {
			return []string{"-data", filepath.Dir(file(t, "product.db"))}
		}, []string{"product.db", "-data"}},
		{"a JetStream folder that is a file", func(t *testing.T) []string {
			return []string{"-data", filepath.Dir(file(t, "jetstream"))}
		}, []string{"jetstream", "-data"}},
		{"a flag that is none", func(t *testing.T) []string { return []string{"-colour"} }, []string{"-colour", "-h"}},
		{"a flag of the wrong kind", func(t *testing.T) []string { return []string{"-seed=perhaps"} }, []string{"seed"}},
		{"a word too many", func(t *testing.T) []string { return []string{"now"} }, []string{"now", "-h"}},
		{"more replicas than a stream can have", func(t *testing.T) []string { return []string{"-replicas=6"} }, []string{"-replicas", "1 to 5"}},
		{"partitions that are no number", func(t *testing.T) []string { return []string{"-partitions=many"} }, []string{"-partitions", "1 to 256"}},
		{"a duration without its unit", func(t *testing.T) []string { return []string{"-max-age=720"} }, []string{"-max-age", "720h"}},
		{"a negative duration", func(t *testing.T) []string { return []string{"-publish-timeout=-1s"} }, []string{"-publish-timeout", "5m"}},
		{"replicas on one server", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-replicas=3"}
		}, []string{"-replicas", "cluster"}},
		{"a stream name that is none", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-stream=a b"}
		}, []string{"-stream", "a b"}},
		{"another number of partitions than the stream has", func(t *testing.T) []string {
			return []string{"-data", newer(t, "SELECT 1"), "-partitions=8"}
		}, []string{"partitions", `"16"`}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			args := append([]string{"-addr", "127.0.0.1:0"}, c.args(t)...)
			err := run(t.Context(), args, io.Discard)
			if err == nil {
				t.Fatal("it ran")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not tell %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
	t.Run("nothing is left behind", func(t *testing.T) {
		folder := t.TempDir()
		if run(t.Context(), []string{"-data", folder, "-addr", occupied.Addr().String()}, io.Discard) == nil {
			t.Fatal("it ran on a port in use")
		}
		if err := start(t, "-data", folder).stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFlags(t *testing.T) {
	t.Run("the environment stands in for flags", func(t *testing.T) {
		t.Setenv("PRODUCTD_ADDR", "127.0.0.1:1")
		t.Setenv("PRODUCTD_DATA", "there")
		t.Setenv("PRODUCTD_SEED", "false")
		t.Setenv("PRODUCTD_LOG", "warn")
		t.Setenv("PRODUCTD_DUPLICATE_WINDOW", "10m")
		got, err := parseConfig([]string{"-addr", "127.0.0.1:2", "-replicas", "3", "-stream", "SHOP", "-max-age", "720h"}, io.Discard)
		want := config{
			addr: "127.0.0.1:2", data: "there", seed: false, logLevel: slog.LevelWarn,
			stream: jetstream.Config{
				Stream: "SHOP", Prefix: "eventus", Partitions: 16, Replicas: 3,
				MaxAge: 720 * time.Hour, DuplicateWindow: 10 * time.Minute, PublishTimeout: 5 * time.Second,
			},
		}
		if err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("-h lists them", func(t *testing.T) {
		var out strings.Builder
		_, err := parseConfig([]string{"-h"}, &out)
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "PRODUCTD_DATA") {
			t.Errorf("got %v:\n%s", err, out.String())
		}
	})
}
