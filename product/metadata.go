package product

import (
	"net/http"
	"regexp"

	"github.com/eventus-go/eventus"
)

var (
	visibleASCII = regexp.MustCompile(`^[!-~]{1,128}$`)
	// traceparent is W3C Trace Context, version 00.
	traceparent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// withMetadata returns the request with the metadata that its events will
// carry: the X-Request-ID as correlation id, made up where there is none, and
// the trace. The answer tells the id.
func withMetadata(w http.ResponseWriter, r *http.Request) *http.Request {
	id := r.Header.Get("X-Request-ID")
	if !visibleASCII.MatchString(id) {
		id = NewID()
	}
	w.Header().Set("X-Request-ID", id)
	ctx := eventus.WithCorrelationID(r.Context(), id)
	if trace := r.Header.Get("Traceparent"); traceparent.MatchString(trace) {
		ctx = eventus.WithField(ctx, "traceparent", trace)
	}
	return r.WithContext(ctx)
}

func requestID(r *http.Request) string { return eventus.MetadataFrom(r.Context()).CorrelationID }
