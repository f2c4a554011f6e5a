package product

import (
	"context"
	"net/http"
)

func (a *API) create(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		ID    *string `json:"id"`
		Name  string  `json:"name"`
		Price Money   `json:"price"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	commandID, err := commandID(r)
	if err != nil {
		return err
	}
	command := CreateProduct{CommandID: commandID, Name: body.Name, Price: body.Price}
	switch {
	case body.ID != nil:
		command.ID = *body.ID
	case commandID != "":
		command.ID = idFrom(commandID)
	default:
		command.ID = NewID()
	}
	version, err := a.commands.CreateProduct.Handle(r.Context(), command)
	if err != nil {
		return err
	}
	w.Header().Set("Location", productPath(command.ID))
	return a.respondChanged(w, r, http.StatusCreated, command.ID, version)
}

func (a *API) changePrice(w http.ResponseWriter, r *http.Request) error {
	var price Money
	return a.change(w, r, &price, func(ctx context.Context, commandID, id string, expected *int64) (int64, error) {
		return a.commands.ChangePrice.Handle(ctx, ChangePrice{commandID, id, price, expected})
	})
}

func (a *API) rename(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name string `json:"name"`
	}
	return a.change(w, r, &body, func(ctx context.Context, commandID, id string, expected *int64) (int64, error) {
		return a.commands.Rename.Handle(ctx, Rename{commandID, id, body.Name, expected})
	})
}

func (a *API) discontinue(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, nil, func(ctx context.Context, commandID, id string, expected *int64) (int64, error) {
		return a.commands.Discontinue.Handle(ctx, Discontinue{commandID, id, expected})
	})
}

// change reads the body, unless it is nil, and what else all changes have in
// common, sends the command, and answers with the product as it is after that.
func (a *API) change(w http.ResponseWriter, r *http.Request, body any, send func(ctx context.Context, commandID, id string, expected *int64) (int64, error)) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	expected, err := ifMatch(r)
	if err != nil {
		return err
	}
	commandID, err := commandID(r)
	if err != nil {
		return err
	}
	if body != nil {
		if err := readBody(w, r, body); err != nil {
			return err
		}
	}
	version, err := send(r.Context(), commandID, id, expected)
	if err != nil {
		return err
	}
	return a.respondChanged(w, r, http.StatusOK, id, version)
}

// respondChanged answers from the store: the read model may not know yet.
func (a *API) respondChanged(w http.ResponseWriter, r *http.Request, status int, id string, version int64) error {
	view, err := a.queries.GetProductAtVersion.Handle(r.Context(), GetProductAtVersion{id, version})
	if err != nil {
		return err
	}
	respondProduct(w, status, view)
	return nil
}
