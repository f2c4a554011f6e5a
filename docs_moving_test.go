package eventus_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store/postgres"
)

// TestMovingPage follows docs/moving.md with the sample service, which takes
// commands until the page keeps it from writing. All that it has acknowledged must
// be on the new server.
func TestMovingPage(t *testing.T) {
	t.Parallel()
	p := openPage(t, "docs/moving.md")
	t.Run("by a dump", func(t *testing.T) {
		t.Parallel()
		followMovingByDump(p.onServer(t, pgtest.Options{}, "pg_dump", "pg_restore", "psql"))
	})
	t.Run("by logical replication", func(t *testing.T) {
		t.Parallel()
		followLogicalReplication(p.onServer(t, pgtest.Options{}, "pg_dump", "psql"))
	})
	t.Run("by pg_upgrade", func(t *testing.T) {
		t.Parallel()
		followUpgrade(p.onServer(t, pgtest.Options{}, "initdb", "pg_upgrade", "vacuumdb", "psql"))
	})
}

func followMovingByDump(p *page, old *pgtest.Server) {
	from, to := setMove(p, old, pgtest.Start(p.T, pgtest.Options{}))
	c := startCustomer(p.T, from)
	p.run("Stop the writers")
	c.stop()
	p.run("Move by a dump")
	p.run("Compare")
	c.checkMoved(p, to)
}

func followLogicalReplication(p *page, old *pgtest.Server) {
	from, to := setMove(p, old, pgtest.Start(p.T, pgtest.Options{}))
	p.run("1. Prepare the old server")
	if err := old.Restart(pgtest.Fast); err != nil {
		p.Fatal(err)
	}
	c := startCustomer(p.T, from)
	p.run("2. Make the tables on the new server")
	p.run("3. Replicate")
	p.run("4. Wait for the first copy")
	c.awaitMore(10)
	p.run("Stop the writers")
	c.stop()
	p.run("6. Wait for the last change")

	_, err := postgres.Open(p.Context(), poolOf(p.T, to), postgres.Config{})
	if want := strings.TrimSpace(p.blocks("7. Move the sequences", "")[0]); err == nil || !strings.HasPrefix(err.Error(), want) {
		p.Errorf("without its sequences the store is opened with error %v, want %q", err, want)
	}
	p.run("7. Move the sequences")
	p.run("Compare")
	p.run("8. Switch")
	c.checkMoved(p, to)
}

func followUpgrade(p *page, old *pgtest.Server) {
	to := p.setCluster("NEW_DATA", "OPTIONS", "NEW", "new")
	p.set("OLD_DATA", filepath.Join(p.dir, "data"))
	p.set("OLD_BIN", old.Bin())
	p.set("NEW_BIN", old.Bin())
	c := startCustomer(p.T, old.URL())
	c.stop()
	if err := old.Stop(pgtest.Fast); err != nil {
		p.Fatal(err)
	}
	p.run("Move by pg_upgrade")
	c.checkMoved(p, to)
}

// setMove makes the database on both servers.
func setMove(p *page, old, moved *pgtest.Server) (from, to string) {
	for _, server := range []*pgtest.Server{old, moved} {
		p.sql(server.URL(), "CREATE DATABASE shop")
	}
	from, to = databaseOf(old.URL(), "shop"), databaseOf(moved.URL(), "shop")
	p.set("OLD", from)
	p.set("NEW", to)
	return from, to
}

// customer creates products at a sample service until it is stopped.
type customer struct {
	*testing.T
	data   string // folder of the service, with its JetStream
	sample *productd
	end    chan struct{}
	ended  sync.WaitGroup

	mu  sync.Mutex
	ids []string // of those that were acknowledged
}

// startCustomer returns when there are some products.
func startCustomer(t *testing.T, url string) *customer {
	t.Helper()
	c := &customer{T: t, data: t.TempDir(), end: make(chan struct{})}
	c.sample = startProductd(t, "-data", c.data, "-postgres", url)
	c.ended.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-c.end:
				return
			default:
			}
			id := "p-" + strconv.Itoa(i)
			body := strings.NewReader(`{"id": "` + id + `", "name": "N", "price": {"amount": 1, "currency": "EUR"}}`)
			answer, err := http.Post(c.sample.url+"/products", "application/json", body)
			if err != nil {
				t.Error(err)
				return
			}
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusCreated {
				c.mu.Lock()
				c.ids = append(c.ids, id)
				c.mu.Unlock()
			}
		}
	})
	c.awaitMore(10)
	return c
}

func (c *customer) acknowledged() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ids)
}

// awaitMore returns after n more products.
func (c *customer) awaitMore(n int) {
	for want := len(c.acknowledged()) + n; len(c.acknowledged()) < want; {
		curl(c.T, c.sample.url, "http://127.0.0.1:8080/livez")
	}
}

// stop ends the customer and the service.
func (c *customer) stop() {
	close(c.end)
	c.ended.Wait()
	c.sample.stop()
}

// checkMoved starts the service on the new server, looks for the products, and
// creates one more.
func (c *customer) checkMoved(p *page, url string) {
	p.Helper()
	sample := startProductd(p.T, "-data", c.data, "-postgres", url, "-seed=false")
	createProduct(p.T, sample.url, "last")
	awaitView(p.T, sample.url, "last")
	for _, id := range c.acknowledged() {
		if got := curl(p.T, sample.url, "http://127.0.0.1:8080/products/"+id); !strings.Contains(got, `"version":1}`) {
			p.Errorf("%s was acknowledged: got %s", id, got)
		}
	}
	if got := curl(p.T, sample.url, "http://127.0.0.1:8080/readyz"); !strings.HasPrefix(got, `{"status":"ok"`) {
		p.Errorf("after the move: %s", got)
	}
}
