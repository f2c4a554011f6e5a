package product

import (
	"net/http"
	"regexp"
	"strings"

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
	ctx := eventus.ContextWithCorrelationID(r.Context(), id)
	if trace := r.Header.Get("Traceparent"); traceparent.MatchString(trace) {
		ctx = eventus.ContextWithField(ctx, "traceparent", trace)
	}
	return r.WithContext(ctx)
}

// commandID returns the name that the client has given its command by the header
// Idempotency-Key, so that it can send the request again; "" if it has given none.
func commandID(r *http.Request) (string, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	key := strings.Trim(keys[0], `"`) // a draft of the IETF quotes it
	if len(keys) > 1 || !visibleASCII.MatchString(key) {
		return "", newProblem(http.StatusBadRequest, "Idempotency-Key: want one key of 1 to 128 visible ASCII characters, such as a UUID")
	}
	return "idempotency-key:" + key, nil
}

func requestID(r *http.Request) string { return eventus.MetadataFrom(r.Context()).CorrelationID }
