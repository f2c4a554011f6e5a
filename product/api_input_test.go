package product_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	. "github.com/eventus-go/eventus/product"
)

func escape(id string) string { return url.PathEscape(id) }

func TestBadInput(t *testing.T) {
	s := start(t, Config{})
	s.createWidget()
	s.send("POST", "/products", `{"id":"gone","name":"Gone","price":{"amount":1,"currency":"EUR"}}`)
	s.send("DELETE", "/products/gone", "")
	before := s.stored()

	product := func(id, name, price string) string {
		return fmt.Sprintf(`{"id":%s,"name":%s,"price":%s}`, id, name, price)
	}
	const id, name, price = `"new"`, `"Widget"`, `{"amount":1299,"currency":"EUR"}`
	quoted := func(s string) string { q, _ := json.Marshal(s); return string(q) }
	long := strings.Repeat("x", 10<<10)

	for _, c := range []struct {
		sentence           string
		method, path, body string
		status             int
		headers            []string
	}{
		{"no body", "POST", "/products", " ", 400, nil},
		{"broken JSON", "POST", "/products", `{"id":`, 400, nil},
		{"two values", "POST", "/products", product(id, name, price) + `{}`, 400, nil},
		{"null", "POST", "/products", `null`, 400, nil},
		{"a list", "POST", "/products", `[` + product(id, name, price) + `]`, 400, nil},
		{"a text", "POST", "/products", `"x"`, 400, nil},
		{"an unknown field", "POST", "/products", `{"id":"new","name":"n","price":{"amount":1,"currency":"EUR"},"colour":"red"}`, 400, nil},
		{"an unknown field deep inside", "POST", "/products", product(id, name, `{"amount":1,"currency":"EUR","vat":1}`), 400, nil},
		{"a field twice", "POST", "/products", `{"id":"new","id":"other","name":"n","price":{"amount":1,"currency":"EUR"}}`, 400, nil},
		{"another case", "POST", "/products", `{"ID":"new","name":"n","price":{"amount":1,"currency":"EUR"}}`, 400, nil},
		{"JSON too deep", "POST", "/products", strings.Repeat("[", 60<<10), 400, nil},
		{"JSON too deep in a field", "POST", "/products", `{"x":` + strings.Repeat(`{"x":`, 12<<10-10), 400, nil},
		{"broken UTF-8", "POST", "/products", product(id, "\"\xff\"", price), 400, nil},
		{"half a surrogate pair", "POST", "/products", product(id, `"\ud800"`, price), 400, nil},
		{"a body too large", "POST", "/products", product(id, quoted(strings.Repeat("x", 64<<10)), price), 413, nil},
		{"another content type", "POST", "/products", product(id, name, price), 415, []string{"Content-Type", "text/plain"}},
		{"a broken content type", "POST", "/products", product(id, name, price), 415, []string{"Content-Type", ";;"}},
		{"a form", "POST", "/products", "id=new", 415, []string{"Content-Type", "application/x-www-form-urlencoded"}},

		{"an empty id", "POST", "/products", product(`""`, name, price), 400, nil},
		{"an id of 10 kB", "POST", "/products", product(quoted(long), name, price), 400, nil},
		{"an id with NUL", "POST", "/products", product(`"a\u0000b"`, name, price), 400, nil},
		{"an id with a line break", "POST", "/products", product(`"a\nb"`, name, price), 400, nil},
		{"the id .", "POST", "/products", product(`"."`, name, price), 400, nil},
		{"the id ..", "POST", "/products", product(`".."`, name, price), 400, nil},
		{"an id that is a number", "POST", "/products", product(`7`, name, price), 400, nil},
		{"an id that is taken", "POST", "/products", product(`"p-1"`, name, price), 409, nil},

		{"no name", "POST", "/products", product(id, `""`, price), 422, nil},
		{"a name of spaces", "POST", "/products", product(id, `" \t "`, price), 422, nil},
		{"a name of 10 kB", "POST", "/products", product(id, quoted(long), price), 422, nil},
		{"a name with NUL", "POST", "/products", product(id, `"a\u0000b"`, price), 422, nil},
		{"no price", "POST", "/products", `{"id":"new","name":"n"}`, 422, nil},
		{"a price of 0", "POST", "/products", product(id, name, `{"amount":0,"currency":"EUR"}`), 422, nil},
		{"a negative price", "POST", "/products", product(id, name, `{"amount":-1,"currency":"EUR"}`), 422, nil},
		{"a price with a fraction", "POST", "/products", product(id, name, `{"amount":12.99,"currency":"EUR"}`), 400, nil},
		{"a price in a text", "POST", "/products", product(id, name, `{"amount":"1299","currency":"EUR"}`), 400, nil},
		{"a price beyond int64", "POST", "/products", product(id, name, `{"amount":9223372036854775808,"currency":"EUR"}`), 400, nil},
		{"a price beyond what doubles hold", "POST", "/products", product(id, name, `{"amount":9007199254740992,"currency":"EUR"}`), 422, nil},
		{"no currency", "POST", "/products", product(id, name, `{"amount":1}`), 422, nil},
		{"an unknown currency", "POST", "/products", product(id, name, `{"amount":1,"currency":"EVT"}`), 422, nil},
		{"a currency in small letters", "POST", "/products", product(id, name, `{"amount":1,"currency":"eur"}`), 422, nil},

		{"another currency than before", "PUT", "/products/p-1/price", `{"amount":1,"currency":"USD"}`, 422, nil},
		{"a price for nobody", "PUT", "/products/nobody/price", price, 404, nil},
		{"a price for a discontinued product", "PUT", "/products/gone/price", price, 422, nil},
		{"a name for a discontinued product", "PUT", "/products/gone/name", `{"name":"Back"}`, 422, nil},
		{"a name that is null", "PUT", "/products/p-1/name", `{"name":null}`, 422, nil},
		{"a name without a body", "PUT", "/products/p-1/name", "", 415, nil},
		{"a name of 10 kB", "PUT", "/products/p-1/name", `{"name":` + quoted(long) + `}`, 422, nil},
		{"the end of nobody", "DELETE", "/products/nobody", "", 404, nil},

		{"a stale If-Match", "PUT", "/products/p-1/name", `{"name":"x"}`, 409, []string{"If-Match", `"7"`}},
		{"an If-Match of version 0", "PUT", "/products/p-1/name", `{"name":"x"}`, 409, []string{"If-Match", `"0"`}},
		{"an If-Match without quotes", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", `1`}},
		{"an If-Match with a sign", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", `"-1"`}},
		{"an If-Match with a zero in front", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", `"01"`}},
		{"an If-Match beyond int64", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", `"9223372036854775808"`}},
		{"an If-Match of words", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", `"abc"`}},
		{"an If-Match of several", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", `"1", "2"`}},
		{"an empty If-Match", "PUT", "/products/p-1/name", `{"name":"x"}`, 400, []string{"If-Match", ""}},
		{"If-Match * on nobody", "PUT", "/products/nobody/name", `{"name":"x"}`, 404, []string{"If-Match", "*"}},

		{"a path id with NUL", "GET", "/products/a%00b", "", 400, nil},
		{"a path id that is not UTF-8", "GET", "/products/%FF", "", 400, nil},
		{"a path id of 10 kB", "GET", "/products/" + long, "", 400, nil},
		{"the path id .", "DELETE", "/products/%2E", "", 400, nil},
		{"the path id ..", "DELETE", "/products/%2e%2e", "", 400, nil},
		{"slashes not encoded", "GET", "/products/a/b", "", 404, nil},
		{"dots not encoded", "DELETE", "/products/a/../p-1", "", 404, nil},
		{"two slashes", "DELETE", "/products//p-1", "", 404, nil},
		{"nobody", "GET", "/products/nobody", "", 404, nil},
		{"the history of nobody", "GET", "/products/nobody/history", "", 404, nil},
		{"nobody's past", "GET", "/products/nobody?version=1", "", 404, nil},
		{"a path that is none", "GET", "/nothing", "", 404, nil},
		{"the root", "GET", "/", "", 404, nil},
		{"a slash too many", "GET", "/products/", "", 404, nil},
		{"another method on the list", "DELETE", "/products", "", 405, nil},
		{"another method on a product", "POST", "/products/p-1", product(id, name, price), 405, nil},
		{"another method on a price", "GET", "/products/p-1/price", "", 405, nil},
		{"a method that nobody knows", "BREW", "/products", "", 405, nil},

		{"a limit of 0", "GET", "/products?limit=0", "", 400, nil},
		{"a limit too high", "GET", "/products?limit=201", "", 400, nil},
		{"a limit of words", "GET", "/products/p-1/history?limit=all", "", 400, nil},
		{"an empty limit", "GET", "/products?limit=", "", 400, nil},
		{"a broken query", "GET", "/products?limit=%zz", "", 400, nil},
		{"a history after words", "GET", "/products/p-1/history?after=x", "", 400, nil},
		{"version 0", "GET", "/products/p-1?version=0", "", 400, nil},
		{"a version of words", "GET", "/products/p-1?version=last", "", 400, nil},
		{"a wait for 0", "GET", "/products/p-1?wait=0", "", 400, nil},
		{"a wait beyond int64", "GET", "/products/p-1?wait=9223372036854775808", "", 400, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			a := s.send(c.method, c.path, c.body, c.headers...)
			a.wantProblem(t, c.status)
			if (a.header.Get("Allow") != "") != (c.status == http.StatusMethodNotAllowed) {
				t.Errorf("Allow is %q", a.header.Get("Allow"))
			}
		})
	}
	if after := s.stored(); after != before {
		t.Errorf("%d events were stored by bad input", after-before)
	}
}

// Ids that look alike, or like a path, are as many products.
func TestUnusualIDs(t *testing.T) {
	s := start(t, Config{})
	ids := []string{
		"a/b", "a//b", "a/../b", "b", "../b", "/b", "b/", "/", "//", "./b", "...",
		"%2F", "%2f", "%", "%25", "?", "#", "a?limit=1", "a#b", "a&b=c", "a;b", "a+b", "a b", " ", " b", "b ",
		"*", ">", "product.*", "$JS", "a.b", ":", "@", "\\", `"`, "'", "'; DROP TABLE product_views; --", "<script>", "{id}",
		"é", "e\u0301", "日本", "🙂", "\u202e", "\u200b", "\ufeff", "K", "k", "\u212a", "price", "history", "p/price", "-1",
		strings.Repeat("x", 512), strings.Repeat("🙂", 128),
	}
	for i, id := range ids {
		body, _ := json.Marshal(map[string]any{"id": id, "name": fmt.Sprintf("n%d", i), "price": eur(1)})
		a := s.send("POST", "/products", string(body))
		if a.status != http.StatusCreated {
			t.Fatalf("create %q: %d %s", id, a.status, a.body)
		}
		if location := a.header.Get("Location"); location != "/products/"+escape(id) {
			t.Errorf("%q is said to be at %q", id, location)
		}
		s.send("PUT", "/products/"+escape(id)+"/price", `{"amount":2,"currency":"EUR"}`, "If-Match", `"1"`)
	}
	for i, id := range ids {
		var got View
		a := s.send("GET", "/products/"+escape(id)+"?wait=2", "")
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatalf("%q: %s: %v", id, a.body, err)
		}
		if want := (View{ID: id, Name: fmt.Sprintf("n%d", i), Price: eur(2), Version: 2}); got != want {
			t.Errorf("%q: got %+v", id, got)
		}
		if a := s.send("GET", "/products/"+escape(id)+"/history", ""); strings.Count(a.body, `"version"`) != 2 {
			t.Errorf("history of %q: %s", id, a.body)
		}
	}
	if n := s.stored(); n != 2*len(ids) {
		t.Errorf("%d events are stored, want %d", n, 2*len(ids))
	}
}
