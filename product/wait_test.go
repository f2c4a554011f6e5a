package product_test

import (
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	. "github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
)

// The row of one product is in the way of its event, so that the projection
// fails for it. Others are shown, and a wait for this one says that it is of no
// use, instead of running into its time limit.
func TestWaitForAParkedProduct(t *testing.T) {
	s := start(t, Config{}) // the time limit is the test's
	if _, err := s.db.Exec(`INSERT INTO product_views (id, name, amount, currency, discontinued, version, changes) VALUES ('p-1', 'by hand', 1, 'EUR', 0, 7, 7)`); err != nil {
		t.Fatal(err)
	}
	s.createWidget()
	s.send("POST", "/products", `{"id":"p-2","name":"n","price":{"amount":1,"currency":"EUR"}}`)
	s.send("GET", "/products/p-2?wait=1", "").want(t, 200, `{"id":"p-2","name":"n","price":{"amount":1,"currency":"EUR"},"discontinued":false,"version":1}`)

	a := s.send("GET", "/products/p-1?wait=1", "")
	a.wantProblem(t, 503)
	if !strings.Contains(a.body, "operator") || a.header.Get("Retry-After") != "" || strings.Contains(a.body, "UNIQUE") {
		t.Errorf("got %s, Retry-After %q", a.body, a.header.Get("Retry-After"))
	}
	if log := s.log.String(); !strings.Contains(log, "request_id="+a.header.Get("X-Request-Id")) || !strings.Contains(log, "UNIQUE") {
		t.Errorf("the log does not have the reason:\n%s", log)
	}

	if _, err := s.db.Exec(`DELETE FROM product_views WHERE id = 'p-1'`); err != nil {
		t.Fatal(err)
	}
	s.ask(store.Request{Action: store.Redrive, Stream: eventus.Stream{Category: "product", ID: "p-1"}})
	s.send("GET", "/products/p-1?wait=1", "").want(t, 200, widgetV1)
	wantViewsEqualStore(t, s)
}
