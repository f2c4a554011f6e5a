package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
)

// pair starts a NATS server and makes an empty schema, and returns the flags for
// both.
func pair(t *testing.T) (flags []string, postgres string) {
	t.Helper()
	postgres = pgtest.Pool(t).Config().ConnString()
	server := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
	return []string{"-postgres", postgres, "-nats", server.URL()}, postgres
}

func TestFirstProductOnThePair(t *testing.T) {
	t.Chdir(t.TempDir())
	flags, _ := pair(t)
	p := start(t, flags...)
	if log := strings.Join(p.lines, "\n"); !strings.Contains(log, "6. query answered: GetProductByID") {
		t.Errorf("the way of the first product is not told to its end:\n%s", log)
	}
	const want = `{"id":"widget","name":"Widget","price":{"amount":1299,"currency":"EUR"},"discontinued":false,"version":1}`
	if got := get(t, p.url+"/products/widget"); got != want {
		t.Errorf("got %s", got)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("left in the working directory: %v, %v", files, err)
	}
}

// What one process accepts, another shows; and a read model is written by all of
// them without anything happening twice.
func TestProcessesShareTheWork(t *testing.T) {
	flags, postgres := pair(t)
	db := auditPostgres(t, postgres)
	urls := make([]string, 3)
	var starting sync.WaitGroup
	processes := make([]*process, len(urls))
	for i := range processes {
		processes[i] = startProcess(t, append(flags, "-seed=false")...)
		starting.Go(func() { urls[i] = processes[i].waitForURL(t) })
	}
	starting.Wait()

	const products = 30
	acks := &acknowledged{}
	var clients sync.WaitGroup
	for i, url := range urls {
		clients.Go(func() {
			for n := range products {
				id := fmt.Sprintf("%d-%d", i, n)
				created := send(t.Context(), acks, id, http.MethodPost, url+"/products", fmt.Sprintf(`{"id":%q,"name":"n","price":{"amount":1,"currency":"EUR"}}`, id))
				// Another process changes what this one has made.
				renamed := send(t.Context(), acks, id, http.MethodPut, urls[(i+1)%len(urls)]+"/products/"+id+"/name", `{"name":"renamed"}`)
				if created != http.StatusCreated || renamed != http.StatusOK {
					t.Errorf("%s: got %d and %d", id, created, renamed)
				}
				// And a third one shows it.
				if got := get(t, urls[(i+2)%len(urls)]+"/products/"+id+"?wait=2"); !strings.Contains(got, "renamed") {
					t.Errorf("got %s", got)
				}
			}
		})
	}
	clients.Wait()
	for _, p := range processes {
		if code := p.end(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d: %s", code, p.stderr.String())
		}
	}
	compare(t, db, acks)
}

func TestRefusalsOfThePair(t *testing.T) {
	postgres := pgtest.Pool(t).Config().ConnString()
	newer := pgtest.Pool(t)
	open, err := openPostgres(t.Context(), newer.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	open.close()
	if _, err := newer.Exec(t.Context(), "INSERT INTO product_migrations (number) VALUES (1000)"); err != nil {
		t.Fatal(err)
	}
	nats := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"}).URL()
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte("authorization { user: u, password: other }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	guarded := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0", File: conf}).URL()
	for _, c := range []struct {
		sentence       string
		postgres, nats string
		says           []string
	}{
		{"a database URL that is none", "postgres://x:secret@:port", nats, []string{"-postgres", "want for example postgres://"}},
		{"a database that is not there", "postgres://nobody:secret@127.0.0.1:1/none", nats, []string{"-postgres", "check host and port"}},
		{"a database of a newer product", newer.Config().ConnString(), nats, []string{"-postgres", "newer"}},
		{"a NATS URL that is none", postgres, "nats://u:secret@:port", []string{"-nats", "correct the URL"}},
		{"a NATS server that turns the user away", postgres, strings.Replace(guarded, "//", "//u:secret@", 1), []string{"-nats nats://xxxxx@", "correct its user"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-postgres", c.postgres, "-nats", c.nats}, io.Discard)
			if err == nil {
				t.Fatal("it ran")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not tell %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q tells the password", err)
			}
		})
	}
}
