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
	p, err := a.commands.CreateProduct(r.Context(), command)
	if err != nil {
		return err
	}
	w.Header().Set("Location", productPath(command.ID))
	respondProduct(w, http.StatusCreated, viewOf(p))
	return nil
}

func (a *API) changePrice(w http.ResponseWriter, r *http.Request) error {
	var price Money
	return a.change(w, r, &price, func(ctx context.Context, commandID, id string, expected *int64) (*Product, error) {
		return a.commands.ChangePrice(ctx, ChangePrice{commandID, id, price, expected})
	})
}

func (a *API) rename(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name string `json:"name"`
	}
	return a.change(w, r, &body, func(ctx context.Context, commandID, id string, expected *int64) (*Product, error) {
		return a.commands.Rename(ctx, Rename{commandID, id, body.Name, expected})
	})
}

func (a *API) discontinue(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, nil, func(ctx context.Context, commandID, id string, expected *int64) (*Product, error) {
		return a.commands.Discontinue(ctx, Discontinue{commandID, id, expected})
	})
}

// change reads the body, unless it is nil, and what else all changes have in
// common, sends the command, and answers with the product as it is after that.
// It does not ask the read model, which may not know yet.
func (a *API) change(w http.ResponseWriter, r *http.Request, body any, send func(ctx context.Context, commandID, id string, expected *int64) (*Product, error)) error {
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
	p, err := send(r.Context(), commandID, id, expected)
	if err != nil {
		return err
	}
	respondProduct(w, http.StatusOK, viewOf(p))
	return nil
}
