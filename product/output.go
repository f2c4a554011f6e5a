package product

import (
	"encoding/json"
	"net/http"
	"net/url"
)

const jsonType = "application/json"

// respond answers with body as JSON.
func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", jsonType)
	write(w, status, body)
}

// write answers with body as JSON. A client that does not take it is gone.
func write(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body)
}

// respondProduct answers with a product and its version as ETag.
func respondProduct(w http.ResponseWriter, status int, view View) {
	w.Header().Set("ETag", etag(view.Version))
	respond(w, status, view)
}

func productPath(id string) string { return "/products/" + url.PathEscape(id) }
