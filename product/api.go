package product

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Config configures the HTTP API.
type Config struct {
	// WaitLimit bounds how long ?wait=VERSION waits. Default: 5 seconds.
	WaitLimit time.Duration
	// Health is asked by GET /healthz. Default: always well.
	Health func(context.Context) error
	// Logger is told of failures that are the server's own, and at level Debug
	// of each request. Default: nobody.
	Logger *slog.Logger
}

// API is commands and queries over HTTP.
type API struct {
	commands Commands
	queries  Queries
	config   Config
	routes   *http.ServeMux
}

// NewAPI returns a handler for all paths of the API.
func NewAPI(commands Commands, queries Queries, config Config) *API {
	if config.WaitLimit <= 0 {
		config.WaitLimit = 5 * time.Second
	}
	if config.Health == nil {
		config.Health = func(context.Context) error { return nil }
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{commands, queries, config, http.NewServeMux()}
	a.handle("POST /products", a.create)
	a.handle("GET /products", a.list)
	a.handle("GET /products/{id}", a.get)
	a.handle("PUT /products/{id}/price", a.changePrice)
	a.handle("PUT /products/{id}/name", a.rename)
	a.handle("DELETE /products/{id}", a.discontinue)
	a.handle("GET /products/{id}/history", a.history)
	a.handle("GET /healthz", a.health)
	return a
}

func (a *API) handle(pattern string, handler func(http.ResponseWriter, *http.Request) error) {
	a.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := handler(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	r = withEncodedPath(withMetadata(w, r))
	defer func() {
		if p := recover(); p != nil {
			a.recovered(w, r, p)
		}
		a.config.Logger.DebugContext(r.Context(), "request", slog.String("method", r.Method),
			slog.String("uri", r.RequestURI), slog.Duration("took", time.Since(start)))
	}()
	if err := a.unroutable(r); err != nil {
		a.fail(w, r, err)
		return
	}
	a.routes.ServeHTTP(w, r)
}
