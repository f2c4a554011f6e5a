package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

// Config configures a [Relay]. The zero value is ready for use.
type Config struct {
	// Source is the CloudEvents source of the messages: a URI reference that
	// names the service, up to 128 bytes. Default "eventus".
	Source string
	// Batch is how many messages are read and published at a time; it bounds
	// the relay's memory. Default 256.
	Batch int
	// MaxPoll is the longest pause between two looks at an empty outbox. An
	// append of this process is seen at once where the store is a
	// [store.Watcher]; MaxPoll is for those of others. Default 500 ms.
	MaxPoll time.Duration
	// Lease is how long a relay that was killed keeps the others waiting, where
	// the store has [store.Leases]: of several relays over one store, one
	// publishes and the others stand by, asking three times in that time.
	// Default 5 s.
	Lease time.Duration
	// Logger tells of failures, and at debug level of every message. Default:
	// nowhere.
	Logger *slog.Logger
}

const (
	firstPoll   = 2 * time.Millisecond
	markTimeout = 5 * time.Second
)

// Relay publishes what the outbox holds. Make one by [New].
type Relay struct {
	outbox    store.Outbox
	publisher broker.Publisher
	cfg       Config
	lease     *lease // nil where the store has none
}

// New returns a relay from the outbox to the publisher. It panics when one of
// them is nil, and on a source that no header can carry.
func New(from store.Outbox, to broker.Publisher, cfg Config) *Relay {
	if from == nil || to == nil {
		panic("outbox: a relay needs an outbox and a publisher; one of them is nil")
	}
	if cfg.Source == "" {
		cfg.Source = "eventus"
	}
	if err := store.CheckName("source", cfg.Source); err != nil {
		panic(fmt.Sprintf("outbox: %v", err))
	}
	if cfg.Batch <= 0 {
		cfg.Batch = 256
	}
	if cfg.MaxPoll <= 0 {
		cfg.MaxPoll = 500 * time.Millisecond
	}
	if cfg.Lease <= 0 {
		cfg.Lease = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Relay{outbox: from, publisher: to, cfg: cfg}
	if leases, ok := from.(store.Leases); ok {
		r.lease = newLease(leases, cfg.Lease)
	}
	return r
}

// Run publishes until ctx ends, then returns nil. It outlives failures of the
// store and the broker: it logs them and tries again, from 50 ms up to 5 s
// apart. When ctx ends in the middle of a batch, what the broker has confirmed
// is still marked, and the lease is released for a relay that stands by.
func (r *Relay) Run(ctx context.Context) error {
	defer r.lease.release(ctx, r.cfg.Logger)
	poll, failures := firstPoll, pause.AfterFailures()
	for ctx.Err() == nil {
		// Taken before the look, so that no append falls between look and wait.
		appended := r.watch()
		leading, err := r.lease.held(ctx)
		if err == nil && !leading {
			pause.Wait(ctx, r.cfg.Lease/3, nil)
			continue
		}
		published := 0
		if err == nil {
			published, err = r.publish(ctx)
		}
		if published > 0 {
			poll, failures = firstPoll, pause.AfterFailures()
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			d, _ := failures.Next()
			r.cfg.Logger.Error("relay pauses", slog.Any("error", err), slog.Duration("pause", d))
			pause.Wait(ctx, d, nil)
		case published == 0:
			failures = pause.AfterFailures()
			pause.Wait(ctx, poll, appended)
			poll = min(2*poll, r.cfg.MaxPoll)
		}
	}
	return nil
}

func (r *Relay) watch() <-chan struct{} {
	if w, ok := r.outbox.(store.Watcher); ok {
		return w.Watch()
	}
	return nil
}

// publish moves one batch and returns how many messages the broker confirmed.
func (r *Relay) publish(ctx context.Context) (int, error) {
	messages, err := r.outbox.Unpublished(ctx, r.cfg.Batch)
	if err != nil {
		return 0, fmt.Errorf("read the outbox: %w", err)
	}
	if len(messages) == 0 {
		return 0, nil
	}
	outgoing := make([]broker.Message, len(messages))
	for i := range messages {
		outgoing[i] = cloudevents.Encode(cloudevents.Event{Message: messages[i], Source: r.cfg.Source})
	}
	confirmed, publishErr := r.publisher.Publish(ctx, outgoing)
	if confirmed > 0 {
		if err := r.mark(ctx, messages[:confirmed]); err != nil {
			return confirmed, err
		}
	}
	if publishErr != nil && confirmed == len(messages) {
		return confirmed, fmt.Errorf("publish: %w", publishErr)
	}
	if publishErr != nil {
		next := messages[confirmed]
		return confirmed, fmt.Errorf("publish %s version %d: %w", next.Stream, next.Version, publishErr)
	}
	return confirmed, nil
}

// mark takes confirmed messages off the outbox, also when ctx has ended: else
// the next start would publish them again.
func (r *Relay) mark(ctx context.Context, confirmed []store.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer cancel()
	positions := make([]int64, len(confirmed))
	for i := range confirmed {
		positions[i] = confirmed[i].Position
	}
	if err := r.outbox.MarkPublished(ctx, positions); err != nil {
		return fmt.Errorf("mark %d messages as published: %w", len(positions), err)
	}
	if r.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		for i := range confirmed {
			r.cfg.Logger.Debug("published", slog.String("type", confirmed[i].Type), slog.String("category", confirmed[i].Stream.Category),
				slog.String("id", confirmed[i].Stream.ID), slog.Int64("version", confirmed[i].Version))
		}
	}
	return nil
}
