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

	"github.com/eventus-go/eventus"
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
	db, err := openDatabase(t.Context(), filepath.Join(folder, "product.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
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

// waitForViews waits until the read model has as many versions as the store.
func waitForViews(t *testing.T, db *database) {
	t.Helper()
	for {
		var stored, seen int64
		err := db.sql.QueryRowContext(t.Context(), `
SELECT (SELECT count(*) FROM event_store), (SELECT coalesce(sum(version), 0) FROM product_views)`).Scan(&stored, &seen)
		if err != nil {
			t.Fatal(err)
		}
		if stored == seen {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// compare holds what was acknowledged against the store, and the store against
// the read model.
func compare(t *testing.T, db *database, acks *acknowledged) {
	t.Helper()
	products := eventus.NewRepository(db.events, product.Products)
	for _, ack := range acks.acks {
		version, err := strconv.ParseInt(ack.version, 10, 64)
		if err != nil {
			t.Fatalf("acknowledged without a version: %+v", ack)
		}
		p, err := products.LoadAt(t.Context(), ack.id, version)
		if err != nil {
			t.Errorf("acknowledged and lost: %+v: %v", ack, err)
		} else if got := viewOf(p); ack.whole && got != ack.view {
			t.Errorf("acknowledged %+v, stored %+v", ack.view, got)
		}
	}
	rows, err := db.views.List(t.Context(), "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		// Load refuses a stream whose versions have a hole.
		p, err := products.Load(t.Context(), row.ID)
		if err != nil {
			t.Error(err)
			continue
		}
		if row.Changes != row.Version {
			t.Errorf("%s is at version %d after %d changes", row.ID, row.Version, row.Changes)
		}
		row.Changes = 0
		if want := viewOf(p); row != want {
			t.Errorf("row %+v, store %+v", row, want)
		}
	}
	var events, streams, left int64
	err = db.sql.QueryRowContext(t.Context(), `
SELECT count(*), count(DISTINCT stream_id), (SELECT count(*) FROM dead_letters) FROM event_store`).Scan(&events, &streams, &left)
	if err != nil {
		t.Fatal(err)
	}
	if streams != int64(len(rows)) || left != 0 {
		t.Errorf("%d streams, %d rows, %d dead letters", streams, len(rows), left)
	}
	if len(acks.acks) == 0 {
		t.Error("no command was acknowledged: the test has shown nothing")
	}
	t.Logf("%d commands acknowledged, %d events of %d products stored", len(acks.acks), events, streams)
}

func viewOf(p *product.Product) product.View {
	s := p.State()
	return product.View{ID: p.ID(), Name: s.Name, Price: s.Price, Discontinued: s.Discontinued, Version: p.Version()}
}
