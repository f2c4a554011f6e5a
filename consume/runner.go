package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

// RunnerConfig configures a [Runner]. The zero value is ready for use.
type RunnerConfig struct {
	// Log is the store that the messages come from. With it the runner builds a
	// new read model from the beginning, fills gaps, and heals what the broker
	// lost. Without it, in a service that has no access to that store, the
	// broker must hold every message from the first on: a new consumer starts
	// there, and a message whose predecessor does not come is parked.
	Log store.Log
	// Batch is how many messages are handled in one transaction; it bounds the
	// runner's memory. 1 suits handlers that do slow work outside of the
	// database. Default 100.
	Batch int
	// Sweep is the time between two walks over what is new in the log, which
	// heal what the broker lost without a trace. Default 30 s.
	Sweep time.Duration
	// Heartbeat is the time between two signs of life to the broker for
	// messages in hand. It must be well below the broker's acknowledgement
	// wait, which is 30 s by default. Default 5 s.
	Heartbeat time.Duration
	// Grace is how long work in hand may go on after the context of Run has
	// ended. Default 10 s.
	Grace time.Duration
	// Logger tells of failures and dead letters, and at debug level of every
	// message. Default: nowhere.
	Logger *slog.Logger
}

func (c RunnerConfig) withDefaults() RunnerConfig {
	if c.Batch <= 0 {
		c.Batch = 100
	}
	if c.Sweep <= 0 {
		c.Sweep = 30 * time.Second
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = 5 * time.Second
	}
	if c.Grace <= 0 {
		c.Grace = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Runner feeds a consumer with the messages of one category. Several runners of
// one consumer, in one process or many, share the work: marks keep them apart.
type Runner[Tx, E any] struct {
	once       *Once[Tx, E]
	source     Source[E]
	subscriber broker.Subscriber
	cfg        RunnerConfig

	running sync.Mutex    // held by Run
	rebuilt chan struct{} // tells Run that the consumer was set back
	// For the goroutine of Run:
	retries retries // streams between two attempts
}

// New returns a runner of the consumer over the messages of source. A consumer
// over several categories has a runner for each. New panics when one of its
// parts is nil.
func New[Tx, E any](once *Once[Tx, E], source Source[E], from broker.Subscriber, cfg RunnerConfig) *Runner[Tx, E] {
	if once == nil || source == nil || from == nil {
		panic("consume: a runner needs a consumer made by Idempotent, a source and a subscriber; one of them is nil")
	}
	return &Runner[Tx, E]{
		once:       once,
		source:     source,
		subscriber: from,
		cfg:        cfg.withDefaults(),
		rebuilt:    make(chan struct{}, 1),
		retries:    make(retries),
	}
}

// Run handles messages until ctx ends, then returns nil. It outlives failures of
// the database, the broker and the handler. What is in hand when ctx ends is
// finished, or given back when Grace is over: then the handler's context ends,
// and the handler returns. Run is called once at a time.
func (r *Runner[Tx, E]) Run(ctx context.Context) error {
	if !r.running.TryLock() {
		return fmt.Errorf("consumer %s: Run is called twice", r.once.consumer)
	}
	defer r.running.Unlock()
	work, stop := graceful(ctx, r.cfg.Grace)
	defer stop()

	failures := pause.AfterFailures()
	for ctx.Err() == nil {
		started := time.Now()
		err := r.session(ctx, work)
		if ctx.Err() != nil {
			break
		}
		if time.Since(started) > pause.Longest {
			failures = pause.AfterFailures()
		}
		d, _ := failures.Next()
		r.cfg.Logger.Error("consumer pauses", slog.String("consumer", r.once.consumer), slog.Any("error", err), slog.Duration("pause", d))
		pause.Wait(ctx, d, nil)
	}
	return nil
}

// graceful returns a context that ends only grace after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		pause.Wait(work, grace, nil)
		cancel()
	})
	return work, func() { stop(); cancel() }
}

// session subscribes, walks the log, and handles live messages until something
// fails or ctx ends.
func (r *Runner[Tx, E]) session(ctx, work context.Context) error {
	subscription, err := r.subscribe(ctx)
	if err != nil {
		// The log is the truth: without the broker, work goes on from it.
		return errors.Join(fmt.Errorf("subscribe to %s: %w", r.source.Category(), err), r.sweep(ctx, work))
	}
	defer func() {
		if err := subscription.Close(); err != nil {
			r.cfg.Logger.Warn("subscription not closed", slog.String("consumer", r.once.consumer), slog.Any("error", err))
		}
	}()
	// Only after the subscription is open: what is published later is live,
	// what was appended before is in the log.
	setBack, next := true, time.Now()
	for ctx.Err() == nil {
		if now := time.Now(); setBack || !now.Before(next) {
			next = now.Add(r.cfg.Sweep)
			if err := r.sweep(ctx, work); err != nil {
				return err
			}
		}
		if err := r.retryDue(work); err != nil {
			return err
		}
		if setBack, err = r.live(ctx, work, subscription, r.wakeUp(next)); err != nil {
			return err
		}
	}
	return nil
}

// wakeUp returns when to stop waiting for the broker: for the next walk, or for
// the retry of a message that the log has.
func (r *Runner[Tx, E]) wakeUp(next time.Time) time.Time {
	if due, ok := r.retries.soonest(); ok && r.cfg.Log != nil && due.Before(next) {
		return due
	}
	return next
}

func (r *Runner[Tx, E]) subscribe(ctx context.Context) (broker.Subscription, error) {
	start := broker.FromFirst
	if r.cfg.Log != nil {
		start = broker.FromNow
	}
	// A name belongs to one topic, and a consumer may have several.
	name := r.once.consumer + "-" + r.source.Category()
	return r.subscriber.Subscribe(ctx, name, r.source.Category(), start)
}

// live handles what the broker has, or waits for it until a time, or until the
// consumer is set back.
func (r *Runner[Tx, E]) live(ctx, work context.Context, subscription broker.Subscription, until time.Time) (setBack bool, err error) {
	fetch, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-r.rebuilt:
			setBack = true
			cancel()
		case <-fetch.Done():
		}
	}()
	deliveries, err := subscription.Fetch(fetch, r.cfg.Batch)
	ended := fetch.Err() != nil
	cancel()
	<-watched
	if err != nil {
		if ended {
			return setBack, nil
		}
		return false, fmt.Errorf("fetch: %w", err)
	}
	return setBack, r.deliver(work, deliveries)
}
