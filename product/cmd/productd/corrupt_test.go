package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
)

// A page of the events that the database cannot read makes the process unready once
// somebody has met it. It stays live: to restart it would not help.
func TestACorruptPageMakesTheProcessUnready(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		folder := t.TempDir()
		testCorruptPage(t, []string{"-data", folder}, func() {
			file := filepath.Join(folder, "product.db")
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spoiled := 0
			for page := 0; page+4096 <= len(content); page += 4096 {
				// The first product's event, and not its row in the read model.
				if at := content[page : page+4096]; bytes.Contains(at, []byte("first")) && bytes.Contains(at, []byte("product.created")) {
					copy(at, bytes.Repeat([]byte{0xff}, 100))
					spoiled++
				}
			}
			if spoiled == 0 {
				t.Fatal("the event is not in the file")
			}
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := pgtest.Start(t, pgtest.Options{})
		broker := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
		testCorruptPage(t, []string{"-postgres", server.URL(), "-nats", broker.URL()}, func() {
			db := auditPostgres(t, server.URL())
			var folder, path string
			if err := db.count(t.Context(), "SELECT current_setting('data_directory'), pg_relation_filepath('event_store')", &folder, &path); err != nil {
				t.Fatal(err)
			}
			if err := db.exec(t.Context(), "CHECKPOINT"); err != nil {
				t.Fatal(err)
			}
			if err := server.Stop(pgtest.Fast); err != nil {
				t.Fatal(err)
			}
			file, err := os.OpenFile(filepath.Join(folder, path), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.WriteAt(bytes.Repeat([]byte{0xff}, 24), 0); err != nil { // the header of the first page
				t.Fatal(err)
			}
			if err := server.Resume(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func testCorruptPage(t *testing.T, flags []string, spoil func()) {
	flags = append(flags, "-seed=false")
	command := func(method, url, body string) int {
		return send(t.Context(), &acknowledged{}, "", method, url, body)
	}
	p := start(t, flags...)
	for i := range 40 { // of several pages
		id := fmt.Sprint("later-", i)
		if i == 0 {
			id = "first"
		}
		body := fmt.Sprintf(`{"id":"%s","name":"%s","price":{"amount":1,"currency":"EUR"}}`, id, strings.Repeat("n", 200))
		if status := command(http.MethodPost, p.url+"/products", body); status != http.StatusCreated {
			t.Fatalf("create: %d", status)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	spoil()
	p = start(t, flags...)
	ask := func(path string) int {
		response, err := http.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	if status := command(http.MethodDelete, p.url+"/products/first", ""); status != http.StatusInternalServerError {
		t.Errorf("a command on a product of the page: %d", status)
	}
	if status := ask("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	if status := ask("/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d", status)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}
