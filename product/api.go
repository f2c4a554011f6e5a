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
	// Live answers GET /livez: it returns an error when the process hangs and
	// has to be restarted. It does not ask other servers. Default: always live.
	Live func(context.Context) error
	// Ready answers GET /readyz and GET /healthz: it returns an error when the
	// process cannot take commands. What else does not work is in Health.
	// Default: always ready.
	Ready func(context.Context) (Health, error)
	// Passing reports whether an error is passing trouble with the database, such
	// as a lost connection or a full disk. The answer is 503 then, and not 500.
	// Default: no error is.
	Passing func(error) bool
	// Logger gets failures that are the server's own, and each request at level
	// Debug. Default: nothing is logged.
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
	if config.Live == nil {
		config.Live = func(context.Context) error { return nil }
	}
	if config.Ready == nil {
		config.Ready = func(context.Context) (Health, error) { return Health{}, nil }
	}
	if config.Passing == nil {
		config.Passing = func(error) bool { return false }
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
	a.handle("GET /livez", a.live)
	a.handle("GET /readyz", a.ready)
	a.handle("GET /healthz", a.ready)
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
