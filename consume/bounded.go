package consume

import (
	"context"
	"time"

	"github.com/eventus-go/eventus/store"
)

// bounded is the database of a member. What a member reads outside of a
// transaction takes no longer than limit: a connection that answers no more must
// not hold a segment, or the member's place among the others.
type bounded[Tx any] struct {
	Database[Tx]
	limit time.Duration
}

func (b bounded[Tx]) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.limit)
}

// Read implements [store.Reader].
func (b bounded[Tx]) Read(ctx context.Context, s store.Stream, after int64, limit int) ([]store.Message, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.Read(ctx, s, after, limit)
}

// ReadAll implements [store.Log].
func (b bounded[Tx]) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.ReadAll(ctx, after, limit)
}

// ReadStretch implements [store.Log].
func (b bounded[Tx]) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.ReadStretch(ctx, r)
}

// Head implements [store.Log].
func (b bounded[Tx]) Head(ctx context.Context) (store.Head, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.Head(ctx)
}

// BlockedBy implements [store.Blockable] where the log does.
func (b bounded[Tx]) BlockedBy(ctx context.Context) (store.LogBlock, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return blockOf(ctx, b.Database)
}

// ListConsumers implements [store.Consumers].
func (b bounded[Tx]) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.ListConsumers(ctx, ids...)
}

// PendingRequests implements [store.Requests].
func (b bounded[Tx]) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.PendingRequests(ctx, id)
}

// DueParked implements [store.ParkedStreams].
func (b bounded[Tx]) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.DueParked(ctx, id, segment, segments, limit)
}

// ListParked implements [store.ParkedStreams].
func (b bounded[Tx]) ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.Database.ListParked(ctx, id, after, limit)
}
