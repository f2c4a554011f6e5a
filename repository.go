package eventus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/sethvargo/go-retry"
)

// Repository loads and stores the aggregates of one definition. It is safe for
// concurrent use. Make one for each definition: Updates on one repository share
// what they know ([WithCache]).
type Repository[A any] struct {
	category  string
	new       func(id string) (A, core)
	core      func(A) core
	events    any // the definition's *EventTable[E], for History
	store     store.Store
	snapshots store.Snapshots // nil when there are none
	turns     turns
	sparing   atomic.Bool // a load's snapshot is being written
	options
}

// NewRepository returns a repository that loads aggregates of a definition from a
// store and saves them to it:
//
//	products := eventus.NewRepository(store, Products, eventus.WithSnapshotEvery(100))
//
// It panics, and says what to do, when the store, the definition or an option is
// nil, on values that an option does not allow, and when snapshots are asked for
// over a store that does not implement [store.Snapshots]; all of Eventus do.
func NewRepository[A, E any](s store.Store, d *Definition[A, E], opts ...Option) *Repository[A] {
	if d == nil {
		panic("eventus: a repository needs a definition; it is nil: pass the one from eventus.Define")
	}
	fail := func(format string, args ...any) {
		panic(fmt.Sprintf("eventus: repository of %s: %s", d.category, fmt.Sprintf(format, args...)))
	}
	if s == nil {
		fail("it needs a store; it is nil")
	}
	r := &Repository[A]{
		category: d.category,
		new:      d.new,
		core:     d.core,
		events:   d.events,
		store:    s,
		options:  defaultOptions(),
	}
	for _, opt := range opts {
		if opt == nil {
			fail("an option is nil; leave it out")
		}
		opt(&r.options)
	}
	r.turns.kept.limit = r.cacheBytes
	if wrong := r.options.check(); wrong != "" {
		fail("%s", wrong)
	}
	if _, bound := s.(store.Bound); bound {
		r.maxRetries = 0
	}
	if r.snapshotEvery > 0 {
		snapshots, ok := s.(store.Snapshots)
		if !ok {
			fail("%T keeps no snapshots; leave out WithSnapshotEvery", s)
		}
		r.snapshots = snapshots
	}
	return r
}

// New returns an aggregate without events. It says nothing about the store: a
// [Repository.Save] finds out whether the id is taken.
func (r *Repository[A]) New(id string) A {
	a, _ := r.new(id)
	return a
}

// Save stores the events recorded on a since it was loaded or saved: all of
// them, or none. Without recorded events it does nothing.
//
// When the stream no longer ends with the event that a was loaded up to, Save
// returns [ErrConflict], nothing is written, and a keeps its recorded events.
// They were decided on an old state: load and decide again, as
// [Repository.Update] does, and do not save again.
//
// When the outcome is unknown, because the connection was lost for example, Save
// repeats the append until it knows the outcome, for up to ten seconds. Then it
// returns [ErrOutcomeUnknown]. To save a again is safe: its events are stored
// once. After any other error nothing was written.
func (r *Repository[A]) Save(ctx context.Context, a A) error {
	return r.save(ctx, r.core(a))
}

func (r *Repository[A]) save(ctx context.Context, c core) error {
	events, err := r.pending(ctx, c)
	if err != nil || len(events) == 0 {
		return err
	}
	stored := c.base()
	version, err := r.append(ctx, c.name(), stored, events)
	if err != nil {
		return fmt.Errorf("save %w", describe(c.name(), err))
	}
	c.saved(version)
	if r.snapshotDue(stored.Version, version) {
		r.writeSnapshot(ctx, c, saveSnapshotTimeout)
	}
	return nil
}

// pending returns the recorded events of an aggregate, complete.
func (r *Repository[A]) pending(ctx context.Context, c core) ([]store.Event, error) {
	events, err := c.pending(r.newID, r.clock())
	if err != nil {
		return nil, fmt.Errorf("save %s: %w", r.category, err)
	}
	metadata := MetadataFrom(ctx)
	for i := range events {
		events[i].Metadata = metadata
	}
	return events, nil
}

// repeatTime bounds how long an append whose outcome is unknown is repeated, and
// repeatPause is the first pause between.
const (
	repeatTime  = 10 * time.Second
	repeatPause = 10 * time.Millisecond
)

// append repeats an append until its outcome is known. The store knows a
// repetition by the ids of the events.
func (r *Repository[A]) append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := r.store.Append(ctx, s, expected, events)
	if _, bound := r.store.(store.Bound); bound || !errors.Is(err, ErrOutcomeUnknown) {
		return version, err
	}
	unknown := err
	backoff := retry.WithMaxDuration(repeatTime, retry.WithCappedDuration(time.Second, retry.NewExponential(repeatPause)))
	err = retry.Do(ctx, backoff, func(ctx context.Context) (err error) {
		version, err = r.store.Append(ctx, s, expected, events)
		if err != nil && !errors.Is(err, ErrConflict) {
			return retry.RetryableError(err)
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrConflict) {
		return 0, fmt.Errorf("%w; repeated for %v: %v", unknown, repeatTime, err)
	}
	return version, err
}

// describe puts the stream before an error that does not name it.
func describe(s store.Stream, err error) error {
	if errors.Is(err, ErrConflict) {
		return err
	}
	return fmt.Errorf("%s: %w", s, err)
}
