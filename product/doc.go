// Package product is the sample service of Eventus: a small catalogue, written
// the way a service of yours would be. It imports nothing that you could not.
//
// Read it in this order:
//
//   - events.go, product.go, money.go, rules.go: the domain. It knows the root
//     package of Eventus and nothing else.
//   - commands.go: what changes products, and id.go: what they are called.
//   - views.go, projection.go, views_sqlite.go, views_postgres.go: the read model,
//     kept up to date by events.
//   - queries.go: what is asked about products.
//   - api.go and the files beside it: commands and queries over HTTP.
//   - cmd/productd: the wiring.
//   - cmd/pricewatch: a service of its own, which cannot read the store and follows
//     the prices over NATS alone.
//
// # The HTTP API
//
//	POST   /products                  {"id": "optional", "name": "Widget", "price": {"amount": 1299, "currency": "EUR"}}
//	GET    /products?after=ID&limit=N
//	GET    /products/{id}             ?wait=VERSION waits for the read model, ?version=N looks back
//	PUT    /products/{id}/price       {"amount": 1499, "currency": "EUR"}
//	PUT    /products/{id}/name        {"name": "Better widget"}
//	DELETE /products/{id}             discontinues it
//	GET    /products/{id}/history     ?after=VERSION&limit=N
//	GET    /livez                     whether the process works; if not, restart it
//	GET    /readyz, /healthz          whether commands can be taken, and what else does not work
//
// An id in a path is percent-encoded, slashes included. A product's ETag is its
// version in quotes: a PUT or DELETE with If-Match goes ahead only at that
// version and is answered by 409 otherwise. A POST, PUT or DELETE with an
// Idempotency-Key can be sent again: it takes effect once and has the same answer,
// as long as the product has not had 1,000 events more. A key is for one request. A
// wait that cannot end well is
// answered by 503: with Retry-After when the read model is only behind, without
// it when the product is parked and an operator has to act. Trouble with the
// database, such as a lost connection or a full disk, is 503 with Retry-After
// too. Errors are problem details (RFC 9457).
package product
