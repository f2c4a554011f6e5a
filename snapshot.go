package eventus

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/eventus-go/eventus/store"
)

// saveSnapshotTimeout bounds how long a snapshot may take to be written. A save that
// has succeeded waits for it.
const saveSnapshotTimeout = 5 * time.Second

// loadSnapshot returns the aggregate from its snapshot and what came after, in
// one round trip to the store where that is less than a page. ok is false when
// the snapshot cannot be used: then the caller replays the stream.
func (r *Repository[A]) loadSnapshot(ctx context.Context, id string) (a A, c core, p *past, ok bool, err error) {
	a, c = r.new(id)
	snap, page, err := r.snapshots.ReadSnapshot(ctx, c.name(), r.snapshotSchema, pageSize)
	if err != nil {
		if ctx.Err() != nil {
			return a, c, nil, false, describe(c.name(), err)
		}
		r.snapshotFailed("read", c.name(), err)
		return a, c, nil, false, nil
	}
	if snap.Version > 0 {
		if err := c.restore(snap); err != nil {
			r.snapshotFailed("decode", c.name(), err)
			return a, c, nil, false, nil
		}
	}
	if page == nil {
		page = []store.Message{}
	}
	if err = r.replay(ctx, c, page, math.MaxInt64, nil); err != nil {
		return a, c, nil, false, err
	}
	r.spareNextLoad(ctx, c, snap.Version)
	return a, c, pastOf(snap, page), true, nil
}

// startAt returns the aggregate as its snapshot has it, if that is wanted.
// Otherwise the aggregate is new.
func (r *Repository[A]) startAt(ctx context.Context, id string, wanted func(*store.Snapshot) bool) (a A, c core, err error) {
	a, c = r.new(id)
	if r.snapshots == nil {
		return a, c, nil
	}
	snap, _, err := r.snapshots.ReadSnapshot(ctx, c.name(), r.snapshotSchema, 0)
	switch {
	case ctx.Err() != nil:
		return a, c, describe(c.name(), ctx.Err())
	case err != nil:
		r.snapshotFailed("read", c.name(), err)
	case snap.Version > 0 && wanted(&snap) && c.restore(snap) != nil:
		a, c = r.new(id)
	}
	return a, c, nil
}

// spareNextLoad stores a snapshot after a load that replayed so much that there
// should have been one. A goroutine of its own writes it, because a load must not
// wait for writers, of which SQLite has one at a time. While one is being written,
// other loads write none. In a transaction of the caller it is written at once.
func (r *Repository[A]) spareNextLoad(ctx context.Context, c core, from int64) {
	if r.snapshots == nil || c.version()-from < r.snapshotEvery {
		return
	}
	if _, bound := r.store.(store.Bound); bound {
		r.writeSnapshot(ctx, c, saveSnapshotTimeout)
		return
	}
	if !r.sparing.CompareAndSwap(false, true) {
		return
	}
	snap, err := c.snapshot() // before the caller changes the aggregate
	go func() {
		defer r.sparing.Store(false)
		r.putSnapshot(ctx, c.name(), snap, err, saveSnapshotTimeout)
	}()
}

// snapshotDue reports whether a save took an aggregate past a multiple of
// snapshotEvery.
func (r *Repository[A]) snapshotDue(before, after int64) bool {
	return r.snapshots != nil && after/r.snapshotEvery != before/r.snapshotEvery
}

// writeSnapshot stores a snapshot of what the store has, and returns it if that
// works.
func (r *Repository[A]) writeSnapshot(ctx context.Context, c core, timeout time.Duration) *store.Snapshot {
	snap, err := c.snapshot()
	return r.putSnapshot(ctx, c.name(), snap, err, timeout)
}

// putSnapshot stores a snapshot, unless it could not be made.
func (r *Repository[A]) putSnapshot(ctx context.Context, stream store.Stream, snap store.Snapshot, err error, timeout time.Duration) *store.Snapshot {
	// The events are stored: a request that ends now must not cost the snapshot.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err == nil {
		snap.Schema = r.snapshotSchema
		err = r.snapshots.WriteSnapshot(ctx, snap)
	}
	if err != nil {
		r.snapshotFailed("write", stream, err)
		return nil
	}
	return &snap
}

func (r *Repository[A]) snapshotFailed(what string, stream store.Stream, err error) {
	r.logger.Warn("snapshot not used, the stream is replayed instead",
		slog.String("failed", what), slog.String("category", stream.Category), slog.String("id", stream.ID), slog.Any("error", err))
}
