package product_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	. "github.com/eventus-go/eventus/product"
)

const (
	widgetV1 = `{"id":"p-1","name":"Widget","price":{"amount":1299,"currency":"EUR"},"discontinued":false,"version":1}`
	widgetV2 = `{"id":"p-1","name":"Widget","price":{"amount":1499,"currency":"EUR"},"discontinued":false,"version":2}`
	widgetV3 = `{"id":"p-1","name":"Gadget","price":{"amount":1499,"currency":"EUR"},"discontinued":false,"version":3}`
	widgetV4 = `{"id":"p-1","name":"Gadget","price":{"amount":1499,"currency":"EUR"},"discontinued":true,"version":4}`
)

func TestLifeOfAProduct(t *testing.T) {
	s := start(t, Config{})

	created := s.send("POST", "/products", `{"id":"p-1","name":" Widget ","price":{"amount":1299,"currency":"EUR"}}`)
	created.want(t, 201, widgetV1)
	if created.header.Get("Location") != "/products/p-1" || created.header.Get("ETag") != `"1"` {
		t.Errorf("got Location %q, ETag %q", created.header.Get("Location"), created.header.Get("ETag"))
	}
	read := s.send("GET", "/products/p-1?wait=1", "")
	read.want(t, 200, widgetV1)
	if read.header.Get("ETag") != `"1"` || read.header.Get("Content-Type") != "application/json" {
		t.Errorf("got headers %v", read.header)
	}
	s.send("PUT", "/products/p-1/price", `{"amount":1499,"currency":"EUR"}`, "If-Match", `"1"`).want(t, 200, widgetV2)
	s.send("PUT", "/products/p-1/price", `{"amount":1499,"currency":"EUR"}`).want(t, 200, widgetV2)
	s.send("PUT", "/products/p-1/name", `{"name":"Gadget"}`, "If-Match", `W/"2"`).want(t, 200, widgetV3)
	s.send("DELETE", "/products/p-1", "", "If-Match", "*").want(t, 200, widgetV4)
	s.send("DELETE", "/products/p-1", "").want(t, 200, widgetV4)
	s.send("GET", "/products/p-1?wait=4", "").want(t, 200, widgetV4)
	s.send("GET", "/products", "").want(t, 200, `{"products":[`+widgetV4+`]}`)

	for version, want := range []string{widgetV1, widgetV2, widgetV3, widgetV4} {
		s.send("GET", fmt.Sprintf("/products/p-1?version=%d", version+1), "").want(t, 200, want)
	}
	s.send("GET", "/products/p-1?version=5", "").wantProblem(t, 404)
	if n := s.stored(); n != 4 {
		t.Errorf("%d events are stored, want 4", n)
	}
}

func TestMadeID(t *testing.T) {
	s := start(t, Config{})
	created := s.send("POST", "/products", `{"name":"Widget","price":{"amount":1,"currency":"JPY"}}`)
	if created.status != http.StatusCreated {
		t.Fatalf("got %d %s", created.status, created.body)
	}
	s.send("GET", created.header.Get("Location")+"?wait=1", "").want(t, 200, created.body)
}

func TestEmptyList(t *testing.T) {
	start(t, Config{}).send("GET", "/products", "").want(t, 200, `{"products":[]}`)
}

func TestPages(t *testing.T) {
	s := start(t, Config{})
	ids := []string{"A&b=c", "Z", "a", "a b", "é", "日本"}
	for _, id := range ids {
		body, _ := json.Marshal(map[string]any{"id": id, "name": "n", "price": eur(1)})
		s.send("POST", "/products", string(body))
		for i := range 2 {
			s.send("PUT", "/products/"+escape(id)+"/name", fmt.Sprintf(`{"name":"n%d"}`, i))
		}
		s.send("GET", "/products/"+escape(id)+"?wait=3", "")
	}
	t.Run("a list goes on where the page before ended", func(t *testing.T) {
		var got []string
		for next := "/products?limit=4"; next != ""; {
			var page struct {
				Products []View
				Next     string
			}
			a := s.send("GET", next, "")
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 || len(page.Products) > 4 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			for _, p := range page.Products {
				got = append(got, p.ID)
			}
			next = page.Next
		}
		if fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("got %q, want %q", got, ids)
		}
	})
	t.Run("a history goes on where the page before ended", func(t *testing.T) {
		var got []string
		for next := "/products/" + escape("日本") + "/history?limit=1"; next != ""; {
			var page struct {
				Events []struct {
					Version int64
					Type    string
					Data    struct{ Name string }
				}
				Next string
			}
			a := s.send("GET", next, "")
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 || len(page.Events) != 1 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			got = append(got, fmt.Sprintf("%d %s %s", page.Events[0].Version, page.Events[0].Type, page.Events[0].Data.Name))
			next = page.Next
		}
		if want := "[1 product.created n 2 product.renamed n0 3 product.renamed n1]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	})
	t.Run("after the end is nothing", func(t *testing.T) {
		s.send("GET", "/products?after=%F4%8F%BF%BF", "").want(t, 200, `{"products":[]}`)
		s.send("GET", "/products/a/history?after=3", "").want(t, 200, `{"id":"a","events":[]}`)
	})
}

func TestStaleWriters(t *testing.T) {
	s := start(t, Config{})
	s.createWidget()
	const writers = 8
	statuses := make([]int, writers)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			statuses[i] = s.send("PUT", "/products/p-1/name", fmt.Sprintf(`{"name":"n%d"}`, i), "If-Match", `"1"`).status
		})
	}
	all.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if count[200] != 1 || count[409] != writers-1 {
		t.Errorf("got %v, want one 200, the others 409", count)
	}
	stale := s.send("DELETE", "/products/p-1", "", "If-Match", `"1"`)
	stale.wantProblem(t, 409)
	if !strings.Contains(stale.body, `"version":2`) {
		t.Errorf("the problem does not tell the version: %s", stale.body)
	}
}

func TestNotModified(t *testing.T) {
	s := start(t, Config{})
	s.createWidget()
	s.send("GET", "/products/p-1?wait=1", "")
	for tag, want := range map[string]int{`"1"`: 304, `W/"1"`: 304, `"0", "1"`: 304, `*`: 304, `"2"`: 200, `1`: 200} {
		a := s.send("GET", "/products/p-1", "", "If-None-Match", tag)
		if a.status != want || a.header.Get("ETag") != `"1"` {
			t.Errorf("%s: got %d, ETag %s, want %d", tag, a.status, a.header.Get("ETag"), want)
		}
	}
}

func TestWaitForTheReadModel(t *testing.T) {
	t.Run("a version that does not come ends in 503", func(t *testing.T) {
		s := start(t, Config{WaitLimit: 20 * time.Millisecond})
		s.createWidget()
		for _, path := range []string{"/products/p-1?wait=2", "/products/nobody?wait=1"} {
			a := s.send("GET", path, "")
			a.wantProblem(t, 503)
			if a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	})
	t.Run("a reader sees its own write", func(t *testing.T) {
		s := start(t, Config{WaitLimit: time.Hour})
		s.createWidget()
		for i := int64(2); i < 50; i++ {
			a := s.send("PUT", "/products/p-1/name", fmt.Sprintf(`{"name":"n%d"}`, i))
			s.send("GET", fmt.Sprintf("/products/p-1?wait=%d", i), "").want(t, 200, a.body)
		}
	})
}

func TestMetadataOfARequest(t *testing.T) {
	s := start(t, Config{})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := s.send("POST", "/products", `{"id":"p-1","name":"n","price":{"amount":1,"currency":"EUR"}}`, "X-Request-ID", "request-7", "Traceparent", trace)
	if a.header.Get("X-Request-ID") != "request-7" {
		t.Errorf("the answer has the request id %q", a.header.Get("X-Request-ID"))
	}
	a = s.send("PUT", "/products/p-1/name", `{"name":"m"}`, "X-Request-ID", "two words", "Traceparent", "nonsense")
	made := a.header.Get("X-Request-ID")
	if len(made) != 36 {
		t.Errorf("an unusable request id was answered by %q", made)
	}
	stream := eventus.Stream{Category: "product", ID: "p-1"}
	events, err := s.events.Read(t.Context(), stream, 0, 2)
	if err != nil || len(events) != 2 {
		t.Fatal(len(events), err)
	}
	if md := events[0].Metadata; md.CorrelationID != "request-7" || md.Fields["traceparent"] != trace {
		t.Errorf("first event has %+v", md)
	}
	if md := events[1].Metadata; md.CorrelationID != made || len(md.Fields) != 0 {
		t.Errorf("second event has %+v", md)
	}
}

func TestOwnFailures(t *testing.T) {
	t.Run("a broken database is a 500 that tells nothing", func(t *testing.T) {
		s := start(t, Config{})
		s.createWidget()
		_ = s.db.Close()
		for _, a := range []answer{
			s.send("GET", "/products/p-1", ""),
			s.send("GET", "/products", ""),
			s.send("DELETE", "/products/p-1", ""),
		} {
			a.wantProblem(t, 500)
			id := a.header.Get("X-Request-ID")
			if strings.Contains(a.body, "sql") || strings.Contains(a.body, "closed") || !strings.Contains(a.body, id) {
				t.Errorf("got %s", a.body)
			}
			if log := s.log.String(); !strings.Contains(log, id) || !strings.Contains(log, "closed") {
				t.Errorf("the log does not tell:\n%s", log)
			}
		}
	})
	t.Run("a panic is a 500 as well", func(t *testing.T) {
		api := NewAPI(Commands{}, Queries{}, Config{}) // has no views to list
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", "/products", nil))
		if w.Code != 500 || strings.Contains(w.Body.String(), "nil pointer") {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}

func TestTroubleWithTheDatabaseIsNoMistake(t *testing.T) {
	s := start(t, Config{Passing: func(error) bool { return true }})
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	a := s.send("POST", "/products", `{"id":"lamp","name":"Lamp","price":{"amount":1,"currency":"EUR"}}`)
	a.wantProblem(t, 503)
	if a.header.Get("Retry-After") == "" || !strings.Contains(s.log.String(), "request failed") {
		t.Errorf("got %s with %v; the log:\n%s", a.body, a.header, s.log)
	}
}

func TestARequestThatIsSentAgainTakesEffectOnce(t *testing.T) {
	s := start(t, Config{})
	const body = `{"name":"n","price":{"amount":1,"currency":"EUR"}}`
	first := s.send("POST", "/products", body, "Idempotency-Key", "key-1")
	again := s.send("POST", "/products", body, "Idempotency-Key", `"key-1"`)
	other := s.send("POST", "/products", body, "Idempotency-Key", "key-2")
	if first.status != 201 || again.status != 201 || again.body != first.body || other.status != 201 || other.body == first.body {
		t.Errorf("got\n%d %s\n%d %s\n%d %s", first.status, first.body, again.status, again.body, other.status, other.body)
	}
	path := first.header.Get("Location")
	if path == "" || again.header.Get("Location") != path {
		t.Errorf("got %q and %q", path, again.header.Get("Location"))
	}
	price := func(amount, key string, headers ...string) answer {
		return s.send("PUT", path+"/price", `{"amount":`+amount+`,"currency":"EUR"}`, append(headers, "Idempotency-Key", key)...)
	}
	changed := price("2", "key-3", "If-Match", `"1"`)
	if a := price("3", "key-4"); changed.status != 200 || a.status != 200 {
		t.Fatalf("got %d %s, and %d %s", changed.status, changed.body, a.status, a.body)
	}
	price("2", "key-3", "If-Match", `"1"`).want(t, 200, changed.body) // as it was then
	for _, key := range []string{"", "two words", strings.Repeat("x", 129)} {
		if a := price("4", key); a.status != 400 || !strings.Contains(a.body, "Idempotency-Key") {
			t.Errorf("the key %q was answered by %d %s", key, a.status, a.body)
		}
	}
	if h := s.send("GET", path+"/history", ""); strings.Count(h.body, "product.repriced") != 2 {
		t.Errorf("the history is %s", h.body)
	}
}
