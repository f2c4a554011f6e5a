package product

import (
	"errors"

	"github.com/eventus-go/eventus"
	"github.com/google/uuid"
)

// NewID returns an id for a product whose client did not choose one: a UUIDv7,
// so that products made later come later in lists.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// idFrom returns the id of the product that a command creates, if its client did not
// choose one: always the same, so that a request that is sent again creates no other
// product.
func idFrom(commandID string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(commandID)).String()
}

// CheckID reports what makes id unusable as an [*eventus.InvalidError]. Any text
// that can be the id of a stream will do, except for the two names that no URL
// path can carry: clients resolve "." and ".." away, encoded or not.
func CheckID(id string) error {
	if id == "." || id == ".." {
		return &eventus.InvalidError{Field: "id", Reason: `"." and ".." cannot be part of a URL`}
	}
	err := Products.Stream(id).Check()
	if invalid, ok := errors.AsType[*eventus.InvalidError](err); ok {
		return &eventus.InvalidError{Field: "id", Reason: invalid.Reason}
	}
	return err
}
