package product

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/eventus-go/eventus/codec"
	"github.com/goccy/go-json/v2"
)

// maxBody is the most bytes of a request's body.
const maxBody = 64 << 10

// readBody decodes the body into the variable that into points to. It is as
// strict as the codec: what it does not know it refuses.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != jsonType {
		return newProblem(http.StatusUnsupportedMediaType, "Content-Type: want "+jsonType)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, "the body ends early")
	}
	if err := (codec.JSON{}).Decode(data, into); err != nil {
		return newProblem(http.StatusBadRequest, "the body %s", misfit(err))
	}
	return nil
}

// misfit says what is wrong with a body, and not how Go sees it.
func misfit(err error) string {
	e, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return "is not right: " + strings.TrimPrefix(err.Error(), "jsontext: ")
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Sprintf("has a field that is not known here: %s", e.JSONPointer)
	case e.JSONPointer == "":
		return "is not an object"
	default:
		return fmt.Sprintf("has a value that does not fit: %s", e.JSONPointer)
	}
}

// pathID returns the id in the path, decoded.
func pathID(r *http.Request) (string, error) {
	id, err := url.PathUnescape(r.PathValue("id"))
	if err != nil {
		return "", err // not possible: net/http has decoded the path once
	}
	return id, CheckID(id)
}

// parameters are the part of a URL after the question mark.
type parameters struct{ url.Values }

func readParameters(r *http.Request) (parameters, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return parameters{}, newProblem(http.StatusBadRequest, "the query of the URL is broken: %v", err)
	}
	return parameters{values}, nil
}

// number returns the parameter as a number of at least 1, or the fallback when
// it is not given.
func (p parameters) number(name string, fallback int64) (int64, error) {
	if !p.Has(name) {
		return fallback, nil
	}
	n, err := strconv.ParseInt(p.Get(name), 10, 64)
	if err != nil || n < 1 {
		return 0, newProblem(http.StatusBadRequest, "%s: want a number from 1", name)
	}
	return n, nil
}

// limit returns how many entries a page has.
func (p parameters) limit() (int, error) {
	const usual, most = 50, 200
	n, err := p.number("limit", usual)
	if n > most {
		return 0, newProblem(http.StatusBadRequest, "limit: at most %d", most)
	}
	return int(n), err
}
