package product_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	. "github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
)

// service is the whole service in this process: SQLite in a temporary folder, the
// projection, and HTTP on loopback. It needs no broker.
type service struct {
	t        *testing.T
	url      string
	db       *sql.DB
	events   *sqlite.Store
	views    *SQLiteViews
	follower *consume.Follower[*sql.Tx]
	log      *safeBuffer
}

func start(t *testing.T, config Config) *service {
	t.Helper()
	db := openDB(t)
	events, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	views, err := OpenSQLiteViews(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, db: db, events: events, views: views, log: &safeBuffer{}}
	if config.WaitLimit == 0 {
		config.WaitLimit = time.Hour // the test's own deadline is the bound
	}
	config.Logger = slog.New(slog.NewTextHandler(s.log, nil))

	projection := NewProjection(views)
	s.follower = consume.Follow("product_views", events, consume.Config{Retry: consume.Retry{MaxAttempts: 1}, Logger: config.Logger},
		consume.On(Products, projection.Handle), consume.OnReset(projection.Reset))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.follower.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })

	products := eventus.NewRepository(events, Products)
	server := httptest.NewServer(NewAPI(NewCommands(products), NewQueries(views, s.follower, products), config))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// openDB opens a database of the test's own. It has all tables: the migrations
// took most of the time of most tests.
func openDB(t testing.TB) *sql.DB {
	t.Helper()
	made, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "product.db")
	if err := os.WriteFile(path, made, 0o600); err != nil {
		t.Fatal(err)
	}
	return openFile(t, path)
}

func openFile(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// migrated returns a database file that has all tables and nothing else.
var migrated = sync.OnceValues(func() (made []byte, err error) {
	dir, err := os.MkdirTemp("", "product-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "product.db")
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if _, err = sqlite.Open(ctx, db); err == nil {
		_, err = OpenSQLiteViews(ctx, db)
	}
	// The last to close it writes the WAL into the file.
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request whose path is encoded already. Headers are pairs.
func (s *service) send(method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r) // follows no redirects
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, strings.TrimSpace(string(read))}
}

// want fails the test unless the answer has the status and the body.
func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Fatalf("got %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

// wantProblem fails the test unless the answer is a problem of that status.
func (a answer) wantProblem(t *testing.T, status int) {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %s, want a problem with %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != status || p.Detail == "" || p.Title != http.StatusText(status) {
		t.Fatalf("problem %s: %v", a.body, err)
	}
	if strings.Contains(a.body, "Go ") || strings.Contains(a.body, "json:") {
		t.Errorf("the problem tells of the program: %s", a.body)
	}
}

// ask asks something of the projection's consumer and waits for the outcome.
func (s *service) ask(r store.Request) {
	s.t.Helper()
	r.Consumer, r.Actor = store.ConsumerID{Name: "product_views"}, "test"
	id, err := consume.Ask(s.t.Context(), s.events, r)
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		requests, err := s.events.ListRequests(s.t.Context(), "product_views", id+1, 1)
		if err != nil || len(requests) != 1 {
			s.t.Fatalf("%d requests, error %v", len(requests), err)
		}
		if !requests[0].DoneAt.IsZero() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stored returns how many events the store has.
func (s *service) stored() int {
	s.t.Helper()
	messages, err := s.events.ReadAll(s.t.Context(), 0, 100_000)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(messages)
}

// createWidget creates the product p-1 at version 1.
func (s *service) createWidget() {
	s.t.Helper()
	a := s.send("POST", "/products", `{"id":"p-1","name":"Widget","price":{"amount":1299,"currency":"EUR"}}`)
	if a.status != http.StatusCreated {
		s.t.Fatalf("got %d %s", a.status, a.body)
	}
}

type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
