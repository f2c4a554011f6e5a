package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// connections is the number of concurrent clients.
const connections = 64

func serviceFigures() []figure {
	var figures []figure
	for _, c := range []struct {
		name, title string
		goal        float64
		request     func(s *service) func(ctx context.Context, worker int) error
	}{
		{"post", "productd: POST of a product", 10_000, (*service).posts},
		{"put", "productd: PUT of a price", 8_000, (*service).puts},
		{"read", "productd: POST, and a GET that waits for it", 6_000, (*service).readsOwnWrites},
	} {
		figures = append(figures, figure{
			name:  "service/" + c.name,
			title: fmt.Sprintf("%s, connections: %d", c.title, connections),
			unit:  "requests/s",
			goal:  c.goal,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				productd, err := startProductd(ctx, l)
				if err != nil {
					return nil, err
				}
				plain, err := startPlain(l)
				if err != nil {
					return nil, err
				}
				return []contender{
					{name: "productd", role: ours, measure: rate(connections, 1, c.request(productd))},
					{name: "net/http", role: limit, note: "an empty answer, and nothing is kept", measure: rate(connections, 1, c.request(plain))},
				}, nil
			},
		})
	}
	return figures
}

// service is a server of products, and a client of it.
type service struct {
	url    string
	client *http.Client
}

func newService(l *lab, url string) *service {
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	l.atEnd(func() error { transport.CloseIdleConnections(); return nil })
	return &service{url: url, client: &http.Client{Transport: transport}}
}

var serving = regexp.MustCompile(`msg="serving.* url=(\S+)`)

// startProductd builds productd and runs it on its defaults: SQLite and the
// embedded NATS.
func startProductd(ctx context.Context, l *lab) (*service, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/eventus-go/eventus").Output()
	if err != nil {
		return nil, fmt.Errorf("find the source of productd: %w", err)
	}
	binary := filepath.Join(l.dir, "productd")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./product/cmd/productd")
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build productd: %w\n%s", err, out)
	}
	productd := exec.Command(binary, "-addr", "127.0.0.1:0", "-data", filepath.Join(l.dir, l.name()))
	productd.Stderr = os.Stderr
	stdout, err := productd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := productd.Start(); err != nil {
		return nil, err
	}
	served, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if found := serving.FindStringSubmatch(lines.Text()); found != nil {
				served <- found[1]
			}
		}
	}()
	l.atEnd(func() error {
		_ = productd.Process.Signal(syscall.SIGTERM)
		<-ended
		return productd.Wait()
	})
	select {
	case url := <-served:
		return newService(l, url), nil
	case <-ended:
		return nil, errors.New("productd has ended before it served")
	}
}

// startPlain starts a server that answers each request with the wanted status.
func startPlain(l *lab) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	l.atEnd(server.Close)
	return newService(l, "http://"+listener.Addr().String()), nil
}

// do sends a request and returns an error if the response has another status.
func (s *service) do(ctx context.Context, method, path, body string, want int) error {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != want {
		err = fmt.Errorf("%s %s: got %s, want %d: %s", method, path, response.Status, want, answer)
	}
	return err
}

func (s *service) post(ctx context.Context, id string) error {
	return s.do(ctx, http.MethodPost, "/products", fmt.Sprintf(`{"id":%q,"name":"Lamp","price":{"amount":4900,"currency":"EUR"}}`, id), http.StatusCreated)
}

func (s *service) posts() func(context.Context, int) error {
	return func(ctx context.Context, _ int) error { return s.post(ctx, newID()) }
}

// puts changes prices. Each worker has its own product, and takes a new one after a
// hundred changes.
func (s *service) puts() func(context.Context, int) error {
	places := make([]place, connections)
	return func(ctx context.Context, worker int) error {
		p := &places[worker]
		if p.next(); p.version == 1 {
			if err := s.post(ctx, p.stream); err != nil {
				return err
			}
		}
		return s.do(ctx, http.MethodPut, "/products/"+p.stream+"/price", fmt.Sprintf(`{"amount":%d,"currency":"EUR"}`, 5000+p.version), http.StatusOK)
	}
}

// readsOwnWrites counts a POST and its GET as one request.
func (s *service) readsOwnWrites() func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		id := newID()
		if err := s.post(ctx, id); err != nil {
			return err
		}
		return s.do(ctx, http.MethodGet, "/products/"+id+"?wait=1", "", http.StatusOK)
	}
}
