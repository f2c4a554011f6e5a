package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/product"
)

// TestKill kills productd at random moments while clients write, starts it
// again on the same folder, and in the end compares what was acknowledged, what
// is stored, and what is in the read model. EVENTUS_KILLS says how often.
func TestKill(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_KILLS")); err == nil {
		kills = n
	}
	t.Run("and JetStream keeps its disk", func(t *testing.T) {
		testKill(t, kills, func(string) {})
	})
	t.Run("and JetStream loses its disk", func(t *testing.T) {
		testKill(t, kills, func(folder string) {
			if err := os.RemoveAll(filepath.Join(folder, "jetstream")); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func testKill(t *testing.T, kills int, afterKill func(folder string)) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	folder, acks := t.TempDir(), &acknowledged{}

	for round := range kills {
		p := startProcess(t, "-data", folder, "-seed=false")
		if random.IntN(5) == 0 { // before it serves, perhaps
			time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
		} else {
			write(t, p.waitForURL(t), random, round, acks, func() {
				time.Sleep(time.Duration(10+random.IntN(400)) * time.Millisecond)
				_ = p.cmd.Process.Kill()
			})
		}
		_ = p.cmd.Process.Kill()
		if code := p.end(t, nil); code != -1 {
			t.Fatalf("productd was not killed, it ended with %d: %s", code, p.stderr.String())
		}
		afterKill(folder)
	}

	p := startProcess(t, "-data", folder, "-seed=false")
	p.waitForURL(t)
	db := auditSQLite(t, filepath.Join(folder, "product.db"))
	waitForViews(t, db)
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.stderr.String())
	}
	compare(t, db, acks)
}

// acknowledged holds the answers to commands that were accepted.
type acknowledged struct {
	mu   sync.Mutex
	acks []ack
}

type ack struct {
	id      string
	version string // the ETag
	view    product.View
	whole   bool // whether the process lived to send the body
}

func (a *acknowledged) add(one ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acks = append(a.acks, one)
}

// write sends commands from several clients at once until the process is gone.
func write(t *testing.T, url string, random *rand.Rand, round int, acks *acknowledged, kill func()) {
	const clients = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for range clients {
		random := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			for ctx.Err() == nil && command(t, ctx, url, random, round, acks) {
			}
		})
	}
	kill()
	all.Wait()
}

// command sends a random command to a random product of this round or an
// earlier one, and reports whether it was answered.
func command(t *testing.T, ctx context.Context, url string, random *rand.Rand, round int, acks *acknowledged) bool {
	id := fmt.Sprintf("p/%d-%d", random.IntN(round+1), random.IntN(5))
	path := url + "/products/" + strings.ReplaceAll(id, "/", "%2F")
	method, body := http.MethodPut, ""
	switch n := 1 + random.IntN(1000); {
	case n <= 200:
		method, path, body = http.MethodPost, url+"/products", fmt.Sprintf(`{"id":%q,"name":"n%d","price":{"amount":%d,"currency":"EUR"}}`, id, n, n)
	case n <= 595:
		path, body = path+"/name", fmt.Sprintf(`{"name":"n%d"}`, n)
	case n <= 990:
		path, body = path+"/price", fmt.Sprintf(`{"amount":%d,"currency":"EUR"}`, n)
	default:
		method = http.MethodDelete
	}
	return send(t, ctx, acks, id, method, path, body)
}

// send sends one command, notes what was acknowledged, and reports whether it was
// answered. An answer that is the service's own failure fails the test.
func send(t *testing.T, ctx context.Context, acks *acknowledged, id, method, path, body string) bool {
	r, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated:
		one := ack{id: id, version: strings.Trim(response.Header.Get("ETag"), `"`)}
		one.whole = json.NewDecoder(response.Body).Decode(&one.view) == nil
		acks.add(one)
	case http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity: // the rules
	default:
		t.Errorf("%s %s was answered by %s", method, path, response.Status)
		return false
	}
	return true
}

func viewOf(p *product.Product) product.View {
	s := p.State()
	return product.View{ID: p.ID(), Name: s.Name, Price: s.Price, Discontinued: s.Discontinued, Version: p.Version()}
}
