package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// ErrNotFollowed is returned by [Wait] when waiting is of no use: the stream is
// parked as poison or forked, the consumer is forked, or it does not read the
// stream's category. The error says which.
var ErrNotFollowed = errors.New("the consumer does not come to this event")

// Wait returns nil when the consumer has handled version of stream, so that its
// read model shows what was written. It looks at the database: the consumer may
// run in any process. It returns the error of ctx when ctx ends first,
// [store.ErrNoConsumer] when there is no such consumer, and [ErrNotFollowed]
// when the event is not going to be handled until somebody acts.
func Wait[Tx any](ctx context.Context, db Database[Tx], id store.ConsumerID, stream store.Stream, version int64) error {
	return wait(ctx, db, id, stream, version, &Follower[Tx]{})
}

// Wait is the function [Wait] for the follower's consumer. It returns sooner when
// the consumer's segment is with this process. It also waits for a consumer that
// does not exist yet: the first Run makes it.
func (f *Follower[Tx]) Wait(ctx context.Context, stream store.Stream, version int64) error {
	return wait(ctx, f.db, f.id, stream, version, f)
}

const (
	longestWaitPoll = 50 * time.Millisecond
	// patience is how long Wait leaves the database to the handlers of this process
	// before it looks there itself.
	patience = 4 * time.Millisecond
)

func wait[Tx any](ctx context.Context, db Database[Tx], id store.ConsumerID, stream store.Stream, version int64, f *Follower[Tx]) error {
	comes := f.db != nil // a consumer that does not exist yet is made by the follower
	began := f.lastMove()
	expected := f.expect(stream, version)
	defer f.unexpect(expected)
	poll := firstPoll
	if f.worksOn(stream) {
		poll = longestWaitPoll // this process knows first
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-ctx.Done(): // the database says what there is to say
		case <-expected.met:
			return nil
		case <-timer.C:
		}
	}
	var position int64 // of the event
	for ; ; poll = min(2*poll, longestWaitPoll) {
		moved := f.progressed() // before the look, so that no move falls between
		if position == 0 {
			page, err := db.Read(ctx, stream, version-1, 1)
			if err != nil {
				return fmt.Errorf("wait for %s version %d: %w", stream, version, err)
			}
			if len(page) == 1 {
				position = page[0].Position
			}
		}
		if position != 0 {
			if f.has(stream, position, began) {
				return nil
			}
			done, err := has(ctx, db, id, stream, version, position)
			if done {
				return nil
			}
			if err != nil && !(comes && errors.Is(err, store.ErrNoConsumer)) {
				return fmt.Errorf("wait for %s version %d at consumer %s: %w", stream, version, id.Name, err)
			}
		}
		handled, err := f.pause(ctx, poll, moved, expected, func() bool { return position != 0 && f.has(stream, position, began) })
		if err != nil {
			return fmt.Errorf("wait for %s version %d at consumer %s: %w", stream, version, id.Name, err)
		}
		if handled {
			return nil
		}
	}
}

// pause waits until it is time to look at the database again. It reports whether
// this process has handled the message meanwhile. While this process works on the
// stream, a move of it is no reason to look: under load there are many moves, and
// many that wait.
func (f *Follower[Tx]) pause(ctx context.Context, poll time.Duration, moved <-chan struct{}, expected *expectation, has func() bool) (handled bool, err error) {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-expected.met:
			return true, nil
		case <-timer.C:
			return false, nil
		case <-moved:
			moved = f.progressed()
			if has() {
				return true, nil
			}
			if !f.worksOn(expected.stream) {
				return false, nil
			}
		}
	}
}

// has reports whether a consumer has handled the event of a stream at a version.
func has[Tx any](ctx context.Context, db Database[Tx], id store.ConsumerID, stream store.Stream, version, position int64) (bool, error) {
	consumers, _, err := db.ListConsumers(ctx, id)
	if err != nil {
		return false, err
	}
	if len(consumers) == 0 || len(consumers[0].Segments) == 0 {
		return false, store.ErrNoConsumer
	}
	c := consumers[0]
	if !slices.Contains(c.Categories, stream.Category) {
		return false, fmt.Errorf("%w: it does not read the category %s", ErrNotFollowed, stream.Category)
	}
	segment := c.Segments[segmentOf(hash(stream), len(c.Segments))]
	if segment.Forked != "" {
		return false, fmt.Errorf("%w: it is forked: %s", ErrNotFollowed, segment.Forked)
	}
	if segment.Position < position {
		return false, nil
	}
	// Read after the position: a stream that is parked meanwhile is not flowing.
	rows, err := db.ListParked(ctx, id, store.Stream{}, 1)
	if err == nil && len(rows) > 0 {
		rows, err = parkedRow(ctx, db, id, stream)
	}
	if err != nil || len(rows) == 0 {
		return err == nil, err
	}
	switch p := rows[0]; {
	case p.Version > version:
		return true, nil
	case !p.Reason.Retries():
		return false, fmt.Errorf("%w: the stream is parked at version %d (%s): %s", ErrNotFollowed, p.Version, p.Reason, p.Error)
	}
	return false, nil
}

func parkedRow[Tx any](ctx context.Context, db store.Consumers[Tx], id store.ConsumerID, stream store.Stream) (rows []store.Parked, err error) {
	err = db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		rows, err = db.FindParked(ctx, tx, id, []store.Stream{stream})
		return err
	})
	return rows, err
}
