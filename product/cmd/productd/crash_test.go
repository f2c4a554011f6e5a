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
				// Not before any command is acknowledged, however slow the machine is.
				for acks.count() == 0 && t.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
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

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.acks)
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
	switch status := sendRandom(ctx, acks, random, url, id); status {
	case 0:
		return false
	case http.StatusOK, http.StatusCreated, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity: // accepted, or by the rules
		return true
	default:
		t.Errorf("a command to %s was answered by %d", id, status)
		return false
	}
}

// sendRandom sends a random command to one product.
func sendRandom(ctx context.Context, acks *acknowledged, random *rand.Rand, url, id string) (status int) {
	path := url + "/products/" + strings.ReplaceAll(id, "/", "%2F")
	switch n := 1 + random.IntN(1000); {
	case n <= 200:
		body := fmt.Sprintf(`{"id":%q,"name":"n%d","price":{"amount":%d,"currency":"EUR"}}`, id, n, n)
		return send(ctx, acks, id, http.MethodPost, url+"/products", body)
	case n <= 595:
		return send(ctx, acks, id, http.MethodPut, path+"/name", fmt.Sprintf(`{"name":"n%d"}`, n))
	case n <= 990:
		return send(ctx, acks, id, http.MethodPut, path+"/price", fmt.Sprintf(`{"amount":%d,"currency":"EUR"}`, n))
	default:
		return send(ctx, acks, id, http.MethodDelete, path, "")
	}
}

// send sends one command to the product of that id, notes what was acknowledged,
// and returns the status of the answer, 0 if there is none.
func send(ctx context.Context, acks *acknowledged, id, method, path, body string) (status int) {
	r, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusCreated {
		one := ack{id: id, version: strings.Trim(response.Header.Get("ETag"), `"`)}
		one.whole = json.NewDecoder(response.Body).Decode(&one.view) == nil
		acks.add(one)
	}
	return response.StatusCode
}

func viewOf(p *product.Product) product.View {
	s := p.State()
	return product.View{ID: p.ID(), Name: s.Name, Price: s.Price, Discontinued: s.Discontinued, Version: p.Version()}
}
