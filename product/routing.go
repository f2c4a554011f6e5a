package product

import (
	"net/http"
	"net/url"
	"path"
)

// withEncodedPath returns the request with a path whose parts are still
// percent-encoded, and so are the values that the mux takes from it: it would
// mistake an id that is a slash for the end of the path. [pathID] decodes.
func withEncodedPath(r *http.Request) *http.Request {
	encoded := *r
	encoded.URL = &url.URL{Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery}
	return &encoded
}

// unroutable returns the problem of a request that no route takes: the mux
// would answer in plain text.
func (a *API) unroutable(r *http.Request) error {
	// The mux redirects "a/../b" to "b". Where the slashes are those of an id
	// that was not encoded, that would be another product.
	if p := r.URL.Path; path.Clean(p) != p && path.Clean(p)+"/" != p {
		return newProblem(http.StatusNotFound, "the path has empty or dotted parts; encode the slashes of an id as %%2F")
	}
	handler, pattern := a.routes.Handler(r)
	if pattern != "" {
		return nil
	}
	answer := refusal{header: make(http.Header)}
	handler.ServeHTTP(&answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		allowed := answer.header.Get("Allow")
		p := newProblem(answer.status, "%s is not possible here, only %s", r.Method, allowed)
		p.header = http.Header{"Allow": {allowed}}
		return p
	}
	return newProblem(http.StatusNotFound, "there is nothing at this path")
}

// refusal keeps the head of an answer and drops its body.
type refusal struct {
	header http.Header
	status int
}

func (a *refusal) Header() http.Header         { return a.header }
func (a *refusal) WriteHeader(status int)      { a.status = status }
func (a *refusal) Write(b []byte) (int, error) { return len(b), nil }
