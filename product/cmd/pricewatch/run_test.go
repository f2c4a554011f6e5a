package main

import (
	"database/sql"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/product/cmd/internal/program"
	"github.com/eventus-go/eventus/store/sqlite"
)

func TestRefusals(t *testing.T) {
	used := t.TempDir()
	unlock, err := program.LockFolder("pricewatch", used)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	file := filepath.Join(t.TempDir(), "file")
	rubbish, newer := t.TempDir(), t.TempDir()
	for _, path := range []string{file, filepath.Join(rubbish, databaseFile)} {
		if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(newer, databaseFile)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte("authorization { user: u, password: other }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	guarded := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0", File: conf}).URL()
	open := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"}).URL()
	for _, c := range []struct {
		sentence string
		args     []string
		says     []string
	}{
		{"a data folder in use", []string{"-data", used}, []string{"another pricewatch", used, "-data"}},
		{"a data folder that is a file", []string{"-data", file}, []string{"data folder", "-data"}},
		{"a database that is none", []string{"-data", rubbish}, []string{databaseFile, "-data"}},
		{"a database of a newer store", []string{"-data", newer}, []string{"newer", "-data"}},
		{"a list of a folder without a database", []string{"-list", "-data", filepath.Join(file, "none")}, []string{databaseFile, "-data"}},
		{"a list of a folder that is not there", []string{"-list", "-data", filepath.Join(t.TempDir(), "none")}, []string{"no database", "-data"}},
		{"a NATS URL that is none", []string{"-nats", "nats://u:secret@:port"}, []string{"-nats", "want for example"}},
		{"a NATS server that turns the user away", []string{"-nats", strings.Replace(guarded, "//", "//u:secret@", 1)}, []string{"-nats", "correct the user"}},
		{"a flag that is none", []string{"-colour"}, []string{"-colour", "-h"}},
		{"a word too many", []string{"now"}, []string{"now", "-h"}},
		{"a prefix that is none", []string{"-prefix", "a.b", "-nats", open}, []string{"-prefix", "a.b"}},
		{"more partitions than there can be", []string{"-partitions", "257"}, []string{"-partitions", "1 to 256"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			args := append([]string{"-data", t.TempDir()}, c.args...)
			var log strings.Builder
			err := run(t.Context(), args, io.Discard, &log)
			if err == nil {
				t.Fatal("it ran")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error()+log.String(), "secret") {
				t.Errorf("the password is in %q or in\n%s", err, &log)
			}
		})
	}
}

func TestItStopsWhileItWaitsForNATS(t *testing.T) {
	p := startPricewatch(t, "-data", t.TempDir(), "-nats", "nats://u:secret@"+freeAddr(t))
	until(t, "it waits", p, func() bool { return p.stderr.count("waiting for it") == 1 })
	if code := p.end(t, os.Interrupt); code != 0 || p.stderr.count("secret") > 0 {
		t.Errorf("exit code %d:\n%s", code, &p.stderr)
	}
}

func TestFlags(t *testing.T) {
	t.Run("the environment stands in for flags", func(t *testing.T) {
		t.Setenv("PRICEWATCH_NATS", "nats://there:4222")
		t.Setenv("PRICEWATCH_DATA", "there")
		t.Setenv("PRICEWATCH_HISTORY", "h")
		t.Setenv("PRICEWATCH_LOG", "warn")
		t.Setenv("PRICEWATCH_MAX_AGE", "720h")
		got, err := parseConfig([]string{"-data", "here", "-prefix", "shop"}, io.Discard)
		want := config{
			nats: "nats://there:4222", data: "here", history: "h", logLevel: slog.LevelWarn,
			stream: jetstream.Config{Stream: "EVENTUS", Prefix: "shop", Partitions: 16, MaxAge: 720 * time.Hour},
		}
		if err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("-h lists them", func(t *testing.T) {
		var out strings.Builder
		_, err := parseConfig([]string{"-h"}, &out)
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "PRICEWATCH_DATA") {
			t.Errorf("got %v:\n%s", err, out.String())
		}
	})
}

func TestPrices(t *testing.T) {
	for m, want := range map[money]string{
		{1299, "EUR"}: "12.99 EUR", {7, "EUR"}: "0.07 EUR", {-5, "EUR"}: "-0.05 EUR", {1299, "JPY"}: "1299 JPY",
		{1299, "BHD"}: "1.299 BHD", {1299, "none\n"}: `1299 "none\n"`,
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLinesHaveNoControlCharacters(t *testing.T) {
	c := change{id: "a b\x1b[2J", name: "Lamp\n", old: money{1, "EUR"}, now: money{2, "EUR"}, at: "2026-01-02T03:04:05Z", times: 1}
	const want = `2026-01-02T03:04:05Z "a b\x1b[2J" "Lamp\n": 0.01 EUR -> 0.02 EUR (change 1)`
	if got := c.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
