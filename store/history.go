package store

import "context"

// Identity tells one store's history from another's.
type Identity interface {
	// History returns the id of the store's history: a UUID that was drawn when
	// the store was made, and by the first migration that knows it for stores
	// that are older. It never changes. A dump and its restore have the id of
	// the database that was dumped: they tell the same history up to then.
	//
	// Messages carry it, so that a reader of a broker can tell this store's
	// events from those of another one that uses the same categories.
	History(ctx context.Context) (string, error)
}
