package product

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
)

// problem is an error in the form of the API: problem details (RFC 9457). The
// type is left out, so it is about:blank, and the title that of the status.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Version is the product's version where that was the problem.
	Version *int64 `json:"version,omitzero"`

	header http.Header
}

func newProblem(status int, format string, args ...any) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

func (p *problem) Error() string { return p.Detail }

// problemOf says what each error of the domain means over HTTP. It is nil for
// an error that clients cannot do anything about.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if rule, ok := errors.AsType[Rule](err); ok {
		return newProblem(http.StatusUnprocessableEntity, "%s", rule)
	}
	if invalid, ok := errors.AsType[*eventus.InvalidError](err); ok {
		return newProblem(http.StatusBadRequest, "%s", invalid)
	}
	if conflict, ok := errors.AsType[*eventus.ConflictError](err); ok {
		p := newProblem(http.StatusConflict, "the product is at version %d; look at it again", conflict.Actual)
		p.Version = &conflict.Actual
		return p
	}
	switch {
	case errors.Is(err, ErrExists):
		return newProblem(http.StatusConflict, "%s", ErrExists)
	case errors.Is(err, eventus.ErrNotFound):
		return newProblem(http.StatusNotFound, "%s", err)
	}
	return nil
}

// fail answers with the problem that err is.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	switch {
	case p != nil:
	case r.Context().Err() != nil:
		p = newProblem(http.StatusServiceUnavailable, "the request was given up")
	case errors.Is(err, context.DeadlineExceeded):
		p = newProblem(http.StatusServiceUnavailable, "the read model has not come that far; try again")
		p.header = http.Header{"Retry-After": {"1"}}
	case errors.Is(err, consume.ErrNotFollowed):
		a.config.Logger.WarnContext(r.Context(), "the read model does not come that far", slog.String("uri", r.RequestURI),
			slog.String("request_id", requestID(r)), slog.Any("error", err))
		p = newProblem(http.StatusServiceUnavailable, "the read model does not come to this version until an operator acts, whose log has the reason as request %s; "+
			"without wait it shows what it has, and version=N reads from the store", requestID(r))
	default:
		a.config.Logger.ErrorContext(r.Context(), "request failed", slog.String("method", r.Method),
			slog.String("uri", r.RequestURI), slog.String("request_id", requestID(r)), slog.Any("error", err))
		if a.config.Passing(err) {
			p = newProblem(http.StatusServiceUnavailable, "the database has trouble, which is in our log as request %s; try again", requestID(r))
			p.header = http.Header{"Retry-After": {"1"}}
			break
		}
		p = newProblem(http.StatusInternalServerError, "this is our mistake and not yours; it is in our log as request %s", requestID(r))
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, p.Status, p)
}

// recovered answers a request whose handler panicked.
func (a *API) recovered(w http.ResponseWriter, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	a.fail(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
}
