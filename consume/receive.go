package consume

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/internal/quiet"
	"github.com/eventus-go/eventus/store"
)

// ReceiveConfig configures a [Receiver]. The zero value is ready for use.
type ReceiveConfig struct {
	// Source is what the producer of the events calls itself (the source of
	// CloudEvents). Messages of all others are strangers: they are counted,
	// logged once for each of them, and dropped. Default: all sources.
	Source string
	// History is the id of the history of the producer's store, as its relay
	// publishes it ([store.Identity]). Messages with another one, or with none,
	// are strangers. Default: all histories.
	History string
	// RequireVersion refuses events without a version: each becomes a dead letter.
	// Set it for a producer that is built with Eventus, whose events all have one.
	// Otherwise whoever may publish can have an event take effect beside the order
	// of its stream. Default: a table of eventus.Foreign takes events without a
	// version.
	RequireVersion bool

	// BatchSize is the most messages in one transaction. It bounds the
	// receiver's memory. Default 100.
	BatchSize int
	// MaxQueued is the most messages that wait in the inbox, over all streams of
	// the consumer's category. Default 100,000.
	MaxQueued int
	// MaxQueuedPerStream is the most messages of one stream that wait in the
	// inbox. Default 10,000.
	MaxQueuedPerStream int
	// MaxOrphans is the most streams that wait for their very first event. When
	// there are more, the oldest become dead letters: they are the trace of a
	// producer that invents streams, or of a broker that has lost the beginning.
	// Default 10,000.
	MaxOrphans int
	// MaxDeadLetters is the most dead letters of messages that could not be used.
	// The oldest are removed. Default 10,000.
	MaxDeadLetters int
	// DedupWindow is how long the ids of events without a version are
	// remembered. An event that comes again later takes effect again. Default 7
	// days.
	DedupWindow time.Duration

	// TransactionTimeout is how long a transaction may take, the handler's calls
	// in it included. Then the handler's context ends. Default 30 s.
	TransactionTimeout time.Duration
	// MaxPollInterval is the longest pause between two looks at the streams that
	// wait in the inbox. Default 1 s.
	MaxPollInterval time.Duration
	// HeartbeatInterval is the time between two signs of life to the broker for
	// messages in hand. It must be well below the broker's acknowledgement wait,
	// which is 30 s by default. Default 5 s.
	HeartbeatInterval time.Duration
	// StopTimeout is how long work in hand may go on after the context of Run has
	// ended. Default 10 s.
	StopTimeout time.Duration
	// Logger gets warnings about messages and streams that do not flow, and at
	// debug level each message. Default: [slog.Default], from warnings on.
	Logger *slog.Logger
}

// withDefaults replaces zeros. It panics on negative values.
func (c ReceiveConfig) withDefaults() ReceiveConfig {
	for _, n := range []struct {
		field   *int
		initial int
	}{
		{&c.BatchSize, 100}, {&c.MaxQueued, 100_000}, {&c.MaxQueuedPerStream, 10_000}, {&c.MaxOrphans, 10_000}, {&c.MaxDeadLetters, 10_000},
	} {
		if *n.field < 0 {
			panic("consume: ReceiveConfig has a negative number; use 0 for the default")
		}
		if *n.field == 0 {
			*n.field = n.initial
		}
	}
	for _, d := range []struct {
		field   *time.Duration
		initial time.Duration
	}{
		{&c.DedupWindow, 7 * 24 * time.Hour}, {&c.TransactionTimeout, 30 * time.Second}, {&c.MaxPollInterval, time.Second},
		{&c.HeartbeatInterval, 5 * time.Second}, {&c.StopTimeout, 10 * time.Second},
	} {
		if *d.field < 0 {
			panic("consume: ReceiveConfig has a negative duration; use 0 for the default")
		}
		if *d.field == 0 {
			*d.field = d.initial
		}
	}
	c.Logger = quiet.Logger(c.Logger)
	return c
}

// Receiver is a member of a consumer that is fed by a broker alone. Make one by
// [Receive].
type Receiver[Tx, E any] struct {
	once       *Once[Tx, E]
	inbox      store.Inbox[Tx]
	source     Source[E]
	foreign    bool // events without a version are taken
	subscriber broker.Subscriber
	cfg        ReceiveConfig
	log        *slog.Logger

	running sync.Mutex    // held by Run
	wake    chan struct{} // tells the goroutine of queues that there is work
	renew   chan struct{} // tells Run that the inbox was reset
	tally   tally

	incarnation atomic.Pointer[string] // of the subscription
	// For the goroutine of queues:
	notes notes
	gaps  gapWatch
}

// Receive returns a receiver of the messages of source: an [eventus.Definition],
// or a table of [eventus.Foreign]. It is for services that cannot read the store
// that the messages come from; [Follow] is for all others.
//
//	prices := eventus.Foreign("product", eventus.Known("product.repriced", func(e repriced) repriced { return e }))
//	once := consume.Idempotent("pricewatch", db, watch.repriced, consume.Retry{})
//	err := consume.Receive(once, prices, broker, consume.ReceiveConfig{}).Run(ctx)
//
// Any number of processes with one database may run receivers of one consumer:
// they share its messages. A consumer over several categories has a receiver for
// each. Services with databases of their own each get all messages, also when
// they call their consumers alike.
//
// The broker has to keep the messages for long enough: a new consumer begins
// with the first one that the broker holds, and so does one that was rebuilt, or
// whose database is new.
//
// The package comment says what happens to a message. Events without a version
// are taken for a table of eventus.Foreign only: they are handled in the order
// in which they come, those of one subject one at a time, and an event that comes
// again within [ReceiveConfig.DedupWindow], by its source and id, is a duplicate.
// Their Version is the consumer's own count, and their Stream.ID is the subject,
// or the source if they have no subject.
//
// Receive panics when once, source or from is nil, and on negative values in
// cfg.
func Receive[Tx, E any](once *Once[Tx, E], source Source[E], from broker.Subscriber, cfg ReceiveConfig) *Receiver[Tx, E] {
	switch {
	case once == nil:
		panic("consume: Receive has no consumer: give it what Idempotent returns")
	case source == nil:
		panic(fmt.Sprintf("consume: receiver %s has no source: give Receive a definition, or what eventus.Foreign returns", once.consumer))
	case from == nil:
		panic(fmt.Sprintf("consume: receiver %s has no broker: give Receive a broker.Subscriber", once.consumer))
	}
	foreign, _ := source.(interface{ Foreign() bool })
	cfg = cfg.withDefaults()
	return &Receiver[Tx, E]{
		once:       once,
		inbox:      once.inbox,
		source:     source,
		foreign:    foreign != nil && foreign.Foreign(),
		subscriber: from,
		cfg:        cfg,
		log:        cfg.Logger.With(slog.String("consumer", once.consumer), slog.String("category", source.Category())),
		wake:       make(chan struct{}, 1),
		renew:      make(chan struct{}, 1),
		notes:      make(notes),
	}
}

// Run handles messages until ctx ends, then returns nil. It outlives failures of
// the database, the broker and the handler. While it cannot subscribe, an error
// that repeats the one before is logged at debug level. When ctx ends, the work in hand is
// finished, or given back after StopTimeout. Run is called once at a time; a
// second call returns an error.
func (r *Receiver[Tx, E]) Run(ctx context.Context) error {
	if !r.running.TryLock() {
		return fmt.Errorf("receiver %s of %s: Run is called twice", r.once.consumer, r.source.Category())
	}
	defer r.running.Unlock()
	work, stop := gracefulStop(ctx, r.cfg.StopTimeout)
	defer stop()

	var queues sync.WaitGroup
	defer queues.Wait()
	queues.Go(func() { r.workQueues(ctx, work) })

	failures, told := pause.AfterFailures(), ""
	for ctx.Err() == nil {
		started := time.Now()
		subscribed, err := r.session(ctx, work)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if subscribed {
			told = ""
		}
		if time.Since(started) > pause.Longest {
			failures = pause.AfterFailures()
		}
		d, _ := failures.Next()
		level := slog.LevelError
		if err.Error() == told {
			level = slog.LevelDebug // a broker may be away for hours
		}
		told = err.Error()
		r.log.Log(ctx, level, "receiver pauses", slog.Any("error", err), slog.Duration("pause", d))
		pause.Wait(ctx, d, nil)
	}
	return nil
}

// categories are those of the marks: one for streams of versions, one for events
// without.
func (r *Receiver[Tx, E]) categories() []string {
	return []string{r.source.Category(), r.source.Category() + arrivals}
}

// arrivals ends the category of the streams in which events without a version
// are counted. No category of a store has a colon, so that they never meet those
// with versions.
const arrivals = ":arrivals"

// subscription returns the name of the durable subscription. It depends on the
// incarnation of the consumer in the inbox: when that is new, the broker's
// messages come from the first one on, as the marks need them, and services with
// databases of their own do not share a subscription. The hash keeps names
// apart, since consumers and categories may contain the hyphen, and short.
func (r *Receiver[Tx, E]) subscription(incarnation string) string {
	consumer, category := r.once.consumer, r.source.Category()
	sum := sha256.Sum256([]byte(consumer + "\x00" + category + "\x00" + incarnation))
	return fmt.Sprintf("%.50s-%.50s-%x", consumer, category, sum[:12])
}
