package product_test

import (
	"testing"

	"github.com/eventus-go/eventus/store"

	. "github.com/eventus-go/eventus/product"
)

// What was stored once is read for ever: these lines are added to, never
// changed.
func TestStoredEventsAreReadForEver(t *testing.T) {
	for _, stored := range []struct {
		name, data string
		want       Event
	}{
		{"product.created", `{"name":"Widget","price":{"amount":1299,"currency":"EUR"}}`, Created{"Widget", eur(1299)}},
		{"product.repriced", `{"price":{"amount":1499,"currency":"EUR"}}`, Repriced{eur(1499)}},
		{"product.renamed", `{"name":"Gadget"}`, Renamed{"Gadget"}},
		{"product.discontinued", `{}`, Discontinued{}},
	} {
		t.Run(stored.name, func(t *testing.T) {
			m, _, err := Products.Decode(store.Message{Event: store.Event{
				Type: stored.name, ContentType: "application/json", Data: []byte(stored.data),
			}})
			if err != nil || m.Event != stored.want {
				t.Errorf("got %#v, %v, want %#v", m.Event, err, stored.want)
			}
			encoded, err := Products.Encode(stored.want)
			if err != nil || encoded.Type != stored.name || string(encoded.Data) != stored.data {
				t.Errorf("today it is stored as %s %s, %v", encoded.Type, encoded.Data, err)
			}
		})
	}
}
