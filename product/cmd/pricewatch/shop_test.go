package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shop sends commands to productd and remembers what the prices were.
type shop struct {
	t      *testing.T
	url    string
	prices map[string][]int64
}

func newShop(t *testing.T, p *productd) *shop {
	return &shop{t: t, url: p.url, prices: make(map[string][]int64)}
}

func (s *shop) send(method, path, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s %s", method, path, answer.Status, text)
	}
}

func (s *shop) create(id string, price int64) {
	s.t.Helper()
	s.send(http.MethodPost, "/products", fmt.Sprintf(`{"id":%q,"name":%q,"price":{"amount":%d,"currency":"EUR"}}`, id, "The "+id, price))
	s.prices[id] = []int64{price}
}

func (s *shop) reprice(id string, price int64) {
	s.t.Helper()
	s.send(http.MethodPut, "/products/"+id+"/price", fmt.Sprintf(`{"amount":%d,"currency":"EUR"}`, price))
	s.prices[id] = append(s.prices[id], price)
}

// model reads the read model of a pricewatch, which may be running.
func model(t *testing.T, data string) map[string]change {
	t.Helper()
	p, err := openPrices(t.Context(), filepath.Join(data, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	changes := make(map[string]change)
	if err := p.list(t.Context(), func(c change) { changes[c.id] = c }); err != nil {
		t.Fatal(err)
	}
	return changes
}

// await waits until the read model has all changes, and fails unless it is exact.
func (s *shop) await(p *process, data string) {
	s.t.Helper()
	var changes map[string]change
	until(s.t, "the read model has all changes", p, func() bool {
		changes = model(s.t, data)
		for id, prices := range s.prices {
			if changes[id].times < int64(len(prices)-1) {
				return false
			}
		}
		return true
	})
	for id, prices := range s.prices {
		n := len(prices)
		if n == 1 {
			continue
		}
		got := changes[id]
		want := change{id, "The " + id, money{prices[n-2], "EUR"}, money{prices[n-1], "EUR"}, got.at, int64(n - 1)}
		if got != want || got.at == "" {
			s.t.Errorf("got %+v, want %+v", got, want)
		}
		delete(changes, id)
	}
	if len(changes) > 0 {
		s.t.Errorf("products that nobody has changed: %v", changes)
	}
}

var line = regexp.MustCompile(`^\S+ (\S+) "(?:[^"]*)": (\S+ EUR) -> (\S+ EUR) \(change (\d+)\)$`)

// compareLines compares what processes have printed one after another. A process
// may begin by repeating the end of what the killed one before it has printed.
func (s *shop) compareLines(processes []*process) {
	s.t.Helper()
	var all []string
	for _, p := range processes {
		lines := p.lines()
		repeated := min(len(lines), len(all))
		for ; repeated > 0 && !slices.Equal(all[len(all)-repeated:], lines[:repeated]); repeated-- {
		}
		all = append(all, lines[repeated:]...)
	}
	printed := make(map[string][]string)
	for _, l := range all {
		found := line.FindStringSubmatch(l)
		if found == nil {
			s.t.Fatalf("printed: %s", l)
		}
		printed[found[1]] = append(printed[found[1]], strings.Join(found[2:], " "))
	}
	for id, prices := range s.prices {
		var want []string
		for i := 1; i < len(prices); i++ {
			want = append(want, fmt.Sprintf("%v %v %d", money{prices[i-1], "EUR"}, money{prices[i], "EUR"}, i))
		}
		if !slices.Equal(printed[id], want) {
			s.t.Errorf("%s: printed\n%s\nwant\n%s", id, strings.Join(printed[id], "\n"), strings.Join(want, "\n"))
		}
		delete(printed, id)
	}
	if len(printed) > 0 {
		s.t.Errorf("printed for products that nobody has changed: %v", printed)
	}
}
