package main

import "github.com/eventus-go/eventus"

// The events of the product service, as far as this program needs them. Fields
// and types that are not here may be added at any time.
type (
	created struct {
		Name  string `json:"name"`
		Price money  `json:"price"`
	}
	renamed struct {
		Name string `json:"name"`
	}
	repriced struct {
		Price money `json:"price"`
	}
)

// event is one of them.
type event any

// products names the category and the types on the wire.
var products = eventus.Foreign("product",
	eventus.Known("product.created", func(e created) event { return e }),
	eventus.Known("product.renamed", func(e renamed) event { return e }),
	eventus.Known("product.repriced", func(e repriced) event { return e }),
)
