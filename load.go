package eventus

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/eventus-go/eventus/store"
)

// pageSize is how many messages are read at a time: it bounds the memory of a
// load, whatever the length of the stream.
const pageSize = 500

// Load returns the aggregate as it is now, or [ErrNotFound] when nothing has
// happened to it. It sees every save that returned before Load was called.
func (r *Repository[A]) Load(ctx context.Context, id string) (A, error) {
	a, c, _, err := r.load(ctx, id)
	if err == nil && c.version() == 0 {
		err = fmt.Errorf("%s: %w", c.name(), ErrNotFound)
	}
	return orNone(a, err)
}

// LoadVersion returns the aggregate as it was at a version, or [ErrNotFound] when it
// has no such version. It is for looking: what is recorded on it cannot be
// saved if the aggregate has moved on. It begins with the snapshot if that is not
// of a later version.
func (r *Repository[A]) LoadVersion(ctx context.Context, id string, version int64) (A, error) {
	a, c, err := r.startAt(ctx, id, func(snap *store.Snapshot) bool { return snap.Version <= version })
	if err == nil {
		err = r.replay(ctx, c, nil, version, nil)
	}
	if err == nil && (version < 1 || c.version() != version) {
		err = fmt.Errorf("%s at version %d: %w", c.name(), version, ErrNotFound)
	}
	return orNone(a, err)
}

// LoadAsOf returns the aggregate as it was at a time: after the events before
// the first one that was recorded later. It returns [ErrNotFound] when nothing
// had happened to it then. Times are those of the writers' clocks. It begins with
// the snapshot if none of the events in that is later.
func (r *Repository[A]) LoadAsOf(ctx context.Context, id string, at time.Time) (A, error) {
	a, c, err := r.startAt(ctx, id, func(snap *store.Snapshot) bool { return !snap.Latest.IsZero() && !snap.Latest.After(at) })
	if err == nil {
		err = r.replay(ctx, c, nil, math.MaxInt64, func(m *store.Message) bool { return m.Time.After(at) })
	}
	if err == nil && c.version() == 0 {
		err = fmt.Errorf("%s as of %s: %w", c.name(), at.Format(time.RFC3339Nano), ErrNotFound)
	}
	return orNone(a, err)
}

func orNone[A any](a A, err error) (A, error) {
	if err != nil {
		var none A
		return none, err
	}
	return a, nil
}

// load returns the aggregate, at version 0 when it has no events, and what it was
// made of, unless that is too long.
func (r *Repository[A]) load(ctx context.Context, id string) (A, core, *past, error) {
	if r.snapshots != nil {
		if a, c, p, ok, err := r.loadSnapshot(ctx, id); ok || err != nil {
			return a, c, p, err
		}
	}
	a, c := r.new(id)
	page, err := r.store.Read(ctx, c.name(), 0, pageSize)
	if err != nil {
		return a, c, nil, fmt.Errorf("load %w", describe(c.name(), err))
	}
	if page != nil {
		err = r.replay(ctx, c, page, math.MaxInt64, nil)
	}
	if err != nil {
		return a, c, nil, err
	}
	r.spareNextLoad(ctx, c, 0)
	return a, c, pastOf(store.Snapshot{}, page), nil
}

func pastOf(snap store.Snapshot, page []store.Message) *past {
	if len(page) >= pageSize {
		return nil
	}
	return &past{snap, page}
}

// replay applies the messages after the aggregate's version and up to another one,
// page by page, until stop says that a message is not wanted any more. Stop may be
// nil. A first page of pageSize that is at hand already is given.
func (r *Repository[A]) replay(ctx context.Context, c core, page []store.Message, upTo int64, stop func(*store.Message) bool) (err error) {
	for {
		limit := int(min(pageSize, upTo-c.version()))
		if limit < 1 {
			return nil
		}
		if page == nil {
			if page, err = r.store.Read(ctx, c.name(), c.version(), limit); err != nil {
				return fmt.Errorf("load %w", describe(c.name(), err))
			}
		}
		for i := range page {
			if stop != nil && stop(&page[i]) {
				return nil
			}
			if err := c.replay(&page[i]); err != nil {
				return fmt.Errorf("load %w", err)
			}
		}
		if len(page) < limit {
			return nil
		}
		page = nil
	}
}
