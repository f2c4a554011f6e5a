package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
)

func TestHealth(t *testing.T) {
	ask := func(addr string) error {
		return run(context.WithoutCancel(t.Context()), []string{"-health", "-addr", addr}, io.Discard)
	}
	p := start(t, "-data", t.TempDir(), "-seed=false")
	addr := strings.TrimPrefix(p.url, "http://")
	if err := ask(addr); err != nil {
		t.Errorf("while it serves: %v", err)
	}
	if err := ask(strings.Replace(addr, "127.0.0.1", "0.0.0.0", 1)); err != nil {
		t.Errorf("by the address that it listens on in a container: %v", err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if err := ask(addr); err == nil || !strings.Contains(err.Error(), "not well") {
		t.Errorf("once it is stopped: got %v", err)
	}
	ill := httptest.NewServer(http.NotFoundHandler())
	defer ill.Close()
	if err := ask(ill.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("when it answers otherwise: got %v", err)
	}
}

// readiness returns what GET /readyz says once it says so.
func readiness(t *testing.T, url string, until func(product.Health) bool) product.Health {
	t.Helper()
	for {
		var h product.Health
		if err := json.Unmarshal([]byte(get(t, url+"/readyz")), &h); err != nil {
			t.Fatal(err)
		}
		if until(h) {
			return h
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestReadinessTellsHowTheConsumerIs(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "-data", folder)
	h := readiness(t, p.url, func(h product.Health) bool { return h.Status == "ok" })
	if h.NATS != "connected" || h.Consumer == nil || h.Consumer.Status != "running" || h.Consumer.LagEvents != 0 {
		t.Errorf("got %+v, consumer %+v", h, h.Consumer)
	}
	db := auditSQLite(t, filepath.Join(folder, "product.db"))
	ask := func(r store.Request) {
		r.Consumer = store.ConsumerID{Name: consumer}
		if _, err := consume.Ask(t.Context(), db.events, r); err != nil {
			t.Fatal(err)
		}
	}
	ask(store.Request{Action: store.Pause})
	h = readiness(t, p.url, func(h product.Health) bool { return h.Consumer.Status == "paused" })
	if h.Status != "degraded" || !slices.Contains(h.Degraded, "consumer product_views: paused") {
		t.Errorf("paused: %+v", h)
	}
	ask(store.Request{Action: store.Resume})
	readiness(t, p.url, func(h product.Health) bool { return h.Status == "ok" })

	// A row in the way of an event: its stream is parked, and named so.
	if err := db.exec(t.Context(), `INSERT INTO product_views (id, name, amount, currency, discontinued, version, changes) VALUES ('lamp', 'by hand', 1, 'EUR', 0, 7, 7)`); err != nil {
		t.Fatal(err)
	}
	if status := send(t.Context(), &acknowledged{}, "lamp", http.MethodPost, p.url+"/products", `{"id":"lamp","name":"Lamp","price":{"amount":1,"currency":"EUR"}}`); status != http.StatusCreated {
		t.Fatalf("create: %d", status)
	}
	h = readiness(t, p.url, func(h product.Health) bool { return h.Consumer.Parked["waiting"] == 1 })
	if h.Status != "degraded" || len(h.Degraded) != 1 || !strings.HasPrefix(h.Degraded[0], "consumer product_views: 1 parked streams (waiting)") {
		t.Errorf("parked: %+v", h)
	}
	if got := get(t, p.url+"/livez"); got != `{"status":"ok"}` {
		t.Errorf("/livez answers %s", got)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestReadinessTellsOfDamage(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "-data", folder)
	readiness(t, p.url, func(h product.Health) bool { return h.Status == "ok" })
	if status := send(t.Context(), &acknowledged{}, "lamp", http.MethodPost, p.url+"/products", `{"id":"lamp","name":"Lamp","price":{"amount":1,"currency":"EUR"}}`); status != http.StatusCreated {
		t.Fatalf("create: %d", status)
	}
	readiness(t, p.url, func(h product.Health) bool { return h.Status == "ok" && h.Consumer.LagEvents == 0 })
	db := auditSQLite(t, filepath.Join(folder, "product.db"))
	for _, statement := range []string{"DROP TRIGGER event_store_no_update", "UPDATE event_store SET data = CAST('#' || substr(data, 2) AS BLOB)"} {
		if err := db.exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p = start(t, "-data", folder, "-seed=false") // the process before knows the product without reading it
	if status := send(t.Context(), &acknowledged{}, "lamp", http.MethodDelete, p.url+"/products/lamp", ""); status != http.StatusInternalServerError {
		t.Errorf("a command on the damaged product: %d", status)
	}
	h := readiness(t, p.url, func(h product.Health) bool { return h.Status == "degraded" })
	if len(h.Degraded) == 0 || !strings.HasPrefix(h.Degraded[0], "store: the event at position ") || !strings.HasSuffix(h.Degraded[0], " is damaged; restore it from a backup") {
		t.Errorf("degraded: %q", h.Degraded)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrongWithAConsumer(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, s := range map[string]consume.State{
		"":                              {Status: consume.Running, Lag: time.Second, LagEvents: 3},
		"stopped":                       {Status: consume.Stopped},
		"building":                      {Status: consume.Building},
		"rebuild it":                    {Status: consume.ForkedLog},
		"the read model is 1m0s behind": {Status: consume.Running, Lag: time.Minute},
		"2 parked streams (poison), the oldest since 2026-01-02T03:04:05Z": {Status: consume.Running,
			Parked: map[store.Reason]store.ParkedCount{store.Poison: {Streams: 2, Oldest: since}}},
	} {
		got := strings.Join(troubles(s), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestALoopThatHangsMakesTheProcessNotLive(t *testing.T) {
	h := health[int]{started: time.Now()}
	if err := h.turns("relay", time.Time{}); err != nil {
		t.Errorf("at its start: %v", err)
	}
	if err := h.turns("relay", time.Now().Add(-longestTurn-time.Second)); err == nil || !strings.Contains(err.Error(), "relay") {
		t.Errorf("after a long turn: %v", err)
	}
	h.started = h.started.Add(-time.Hour)
	if err := h.turns("relay", time.Time{}); err == nil {
		t.Error("no error for a loop that has never turned")
	}
}
