package storetest_test

import (
	"context"
	"slices"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// firstID returns the id of the first request, as LastInsertId does after an
// insert that is ignored.
type firstID struct{ *memory.Store }

func (s firstID) AddRequest(ctx context.Context, r store.Request) (int64, error) {
	id, err := s.Store.AddRequest(ctx, r)
	return min(id, 1), err
}

// uncheckedRequest stores what it can of a request that is refused.
type uncheckedRequest struct{ *memory.Store }

func (s uncheckedRequest) AddRequest(ctx context.Context, r store.Request) (int64, error) {
	if store.CheckRequest(r) != nil {
		r = store.Request{Consumer: store.ConsumerID{Name: "board"}, Action: store.Pause}
	}
	return s.Store.AddRequest(ctx, r)
}

type newestPending struct{ *memory.Store }

func (s newestPending) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	requests, err := s.Store.PendingRequests(ctx, id)
	slices.Reverse(requests)
	return requests, err
}

// alwaysFinished does not count the rows that it has updated.
type alwaysFinished struct{ *memory.Store }

func (s alwaysFinished) FinishRequest(ctx context.Context, tx *memory.Tx, id int64, outcome string) (bool, error) {
	_, err := s.Store.FinishRequest(ctx, tx, id, outcome)
	return err == nil, err
}

// oldestFirst pages in the wrong direction.
type oldestFirst struct{ *memory.Store }

func (s oldestFirst) ListRequests(ctx context.Context, name string, before int64, limit int) ([]store.Request, error) {
	page, err := s.Store.ListRequests(ctx, name, before, store.MaxEvents)
	slices.Reverse(page)
	return page[:max(0, min(limit, len(page)))], err
}
