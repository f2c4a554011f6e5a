package product

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/eventus-go/eventus"
)

func (a *API) get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	view, err := a.view(r, id)
	if err != nil {
		return err
	}
	if notModified(r, view.Version) {
		w.Header().Set("ETag", etag(view.Version))
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	respondProduct(w, http.StatusOK, view)
	return nil
}

// view returns the product that the parameters ask for: at a version, or as it
// is now, having waited or not.
func (a *API) view(r *http.Request, id string) (View, error) {
	p, err := readParameters(r)
	if err != nil {
		return View{}, err
	}
	if p.Has("version") {
		version, err := p.number("version", 0)
		if err != nil {
			return View{}, err
		}
		return a.queries.GetProductAtVersion(r.Context(), GetProductAtVersion{id, version})
	}
	minVersion, err := p.number("wait", 0)
	if err != nil {
		return View{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.config.WaitLimit)
	defer cancel()
	return a.queries.GetProductByID(ctx, GetProductByID{id, minVersion})
}

type listBody struct {
	Products []View `json:"products"`
	Next     string `json:"next,omitempty"` // path of the next page
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.limit()
	if err != nil {
		return err
	}
	page, err := a.queries.ListProducts(r.Context(), ListProducts{p.Get("after"), limit})
	if err != nil {
		return err
	}
	body := listBody{Products: append([]View{}, page.Products...)} // none is [], not null
	if page.More {
		body.Next = next("/products", page.Products[len(page.Products)-1].ID, limit)
	}
	respond(w, http.StatusOK, body)
	return nil
}

type historyBody struct {
	ID     string      `json:"id"`
	Events []eventBody `json:"events"`
	Next   string      `json:"next,omitempty"` // path of the next page
}

type eventBody struct {
	ID            string    `json:"id"`
	Version       int64     `json:"version"`
	Type          string    `json:"type"`
	Time          time.Time `json:"time"`
	CorrelationID string    `json:"correlationId,omitempty"`
	Data          Event     `json:"data"`
}

func (a *API) history(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	after, err := p.number("after", 0)
	if err != nil {
		return err
	}
	limit, err := p.limit()
	if err != nil {
		return err
	}
	page, err := a.queries.GetProductHistory(r.Context(), GetProductHistory{id, after, limit})
	if err != nil {
		return err
	}
	body := historyBody{ID: id, Events: []eventBody{}}
	for _, m := range page.Events {
		body.Events = append(body.Events, newEventBody(m))
	}
	if page.More {
		last := page.Events[len(page.Events)-1].Version
		body.Next = next(productPath(id)+"/history", strconv.FormatInt(last, 10), limit)
	}
	respond(w, http.StatusOK, body)
	return nil
}

func newEventBody(m eventus.Message[Event]) eventBody {
	return eventBody{m.ID, m.Version, m.Type, m.Time, m.Metadata.CorrelationID, m.Event}
}

// next returns the path of the page after the entry with the given key.
func next(path, after string, limit int) string {
	return path + "?" + url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}}.Encode()
}
