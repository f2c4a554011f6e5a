package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/product"
)

// Commands, the read model and queries need no broker. What waits in the outbox is
// published once there is one.
func TestCommandsAreTakenWhileNATSIsDown(t *testing.T) {
	server := natsAddress(t)
	folder := t.TempDir()
	p := start(t, "-data", folder, "-nats", server.url)
	log := strings.Join(p.lines, "\n")
	for _, line := range []string{"NATS cannot be reached", "1. command accepted", "3. event waits in the outbox", "4. projection applied", "6. query answered"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %q:\n%s", line, log)
		}
	}
	acks := &acknowledged{}
	if status := send(t.Context(), acks, "lamp", http.MethodPost, p.url+"/products", `{"id":"lamp","name":"Lamp","price":{"amount":1,"currency":"EUR"}}`); status != http.StatusCreated {
		t.Errorf("a command is answered by %d", status)
	}
	if got := get(t, p.url+"/products/lamp?wait=1"); !strings.Contains(got, "Lamp") {
		t.Errorf("got %s", got)
	}
	const says = "nats: disconnected; events are stored, and published when it is back"
	h := readiness(t, p.url, func(product.Health) bool { return true })
	if h.Status != "degraded" || h.NATS != "disconnected" || !slices.Contains(h.Degraded, says) {
		t.Errorf("/readyz says %+v", h)
	}
	if err := askHealth(t.Context(), strings.TrimPrefix(p.url, "http://")); err != nil {
		t.Errorf("-health: %v", err)
	}

	server.start(t)
	readiness(t, p.url, func(h product.Health) bool { return h.Status == "ok" })
	db := auditSQLite(t, filepath.Join(folder, "product.db"))
	for unpublished := int64(-1); unpublished != 0; time.Sleep(5 * time.Millisecond) {
		if err := db.count(t.Context(), `SELECT count(*) FROM outbox`, &unpublished); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	compare(t, db, acks)
}

// Two stores with the defaults on one NATS server: the second does not start.
func TestASecondStoreOnOneServerIsRefused(t *testing.T) {
	server := startNATS(t)
	first := start(t, "-data", t.TempDir(), "-nats", server.url)
	defer first.stop()
	second := exec.CommandContext(t.Context(), os.Args[0], "-addr", "127.0.0.1:0", "-data", t.TempDir(), "-nats", server.url, "-seed=false")
	second.Env = append(os.Environ(), asProductd+"=1")
	var said strings.Builder
	second.Stderr = &said
	if _, err := second.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	_ = second.Run() // the exit code is looked at
	if code := second.ProcessState.ExitCode(); code != 1 || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "belongs to the store") {
		t.Errorf("exit code %d, stderr: %s", code, said.String())
	}
}
