package consume

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
	"github.com/google/uuid"
)

// Database is a log and the database that the handlers of a consumer write to.
// The stores of Eventus are both. [Across] puts two together.
type Database[Tx any] interface {
	store.Log
	store.Consumers[Tx]
}

// Across returns the database of a consumer whose handlers write to another
// database than the one that has the log.
func Across[Tx any](log store.Log, db store.Consumers[Tx]) Database[Tx] {
	if log == nil || db == nil {
		panic("consume: Across needs a log and a database; one of them is nil")
	}
	return across[Tx]{log, db}
}

type across[Tx any] struct {
	store.Log
	store.Consumers[Tx]
}

// Watch implements [store.Watcher] where the log does.
func (a across[Tx]) Watch() <-chan struct{} { return watch(a.Log) }

// BlockedBy implements [store.Blockable] where the log does.
func (a across[Tx]) BlockedBy(ctx context.Context) (store.LogBlock, error) {
	return blockOf(ctx, a.Log)
}

// watch returns nil, which blocks, for a log that is not a [store.Watcher].
func watch(log store.Log) <-chan struct{} {
	if w, ok := log.(store.Watcher); ok {
		return w.Watch()
	}
	return nil
}

// Follower is a member of a consumer: it reads the log and calls handlers. Make
// one by [Follow].
type Follower[Tx any] struct {
	id      store.ConsumerID
	db      Database[Tx]
	cfg     Config
	routes  map[string]*Route[Tx] // by category
	reset   func(ctx context.Context, tx Tx) error
	outside bool
	log     *slog.Logger

	running sync.Mutex // held by Run

	mu    sync.Mutex
	moved chan struct{}   // closed when a segment of this member has moved
	moves int64           // counts those of this process's segments
	here  map[int]reached // by segment, those that this process works on
	// expected are the calls of Wait under way.
	expected map[*expectation]struct{}
	unknown  map[string]bool // types of foreign events that were told of
	turned   time.Time       // when Run last began to look at the consumer's rows
}

// Follow returns a follower of the log of db: the consumer of that name.
//
//	board := consume.Follow("orders_board", db, consume.Config{Wake: broker},
//		consume.On(Orders, b.order),
//		consume.On(Stock, b.stock),
//	)
//	err := board.Run(ctx)
//
// A consumer sees the messages of its categories in the order of the log. The
// place that it has reached commits together with what its handlers write, so
// that each message takes effect once. Any number of processes may run followers
// of one name: they share the consumer's segments. Two consumers that do
// different things have different names.
//
// The name has 1 to 128 characters of a-z, A-Z, 0-9, '-' and '_'. It names the
// consumer's place in the database: a program that changes it starts a new
// consumer. Follow panics, and says what to do, when the name or a part is
// missing, when two routes have one category, and on values that Config does not
// allow.
func Follow[Tx any](name string, db Database[Tx], cfg Config, routes ...Route[Tx]) *Follower[Tx] {
	fail := func(format string, args ...any) {
		panic(fmt.Sprintf("consume: follower %q: %s", name, fmt.Sprintf(format, args...)))
	}
	id := store.ConsumerID{Name: name, Generation: cfg.Generation}
	if err := store.CheckConsumer(name); err != nil {
		fail("%v", err)
	}
	if db == nil {
		fail("it needs a database; it is nil")
	}
	f := &Follower[Tx]{
		id: id, db: db, cfg: cfg.withDefaults(),
		routes: make(map[string]*Route[Tx], len(routes)),
		moved:  make(chan struct{}),
		here:   make(map[int]reached),
	}
	for _, r := range routes {
		switch {
		case r.reset != nil && f.reset != nil:
			fail("OnReset is given twice; empty the whole read model in one")
		case r.reset != nil:
			f.reset = r.reset
		case r.handle == nil:
			fail("a route is empty; make routes by On, OnBatch and OnReset")
		case f.routes[r.category] != nil:
			fail("two routes have the category %s; call both from one handler, so that their order is clear", r.category)
		default:
			f.routes[r.category] = &r
			f.outside = f.outside || r.outside
		}
	}
	if len(f.routes) == 0 {
		fail("it has no route; add consume.On for each definition that it reads")
	}
	if f.outside && cfg.Start.kind == unsaid {
		fail("it has effects outside of the database; say by Config.Start whether they happen for the past too: consume.Beginning, consume.Now or consume.At")
	}
	f.log = f.cfg.Logger.With(slog.String("consumer", name))
	if id.Generation != 0 {
		f.log = f.log.With(slog.Int("generation", id.Generation))
	}
	return f
}

// categories returns those of the routes, in ascending order.
func (f *Follower[Tx]) categories() []string {
	categories := make([]string, 0, len(f.routes))
	for category := range f.routes {
		categories = append(categories, category)
	}
	slices.Sort(categories)
	return categories
}

// Run works on the consumer until ctx ends, then returns nil. It outlives
// failures of the databases, the broker and the handlers. What is in hand when
// ctx ends is finished, or given back after [Config.StopTimeout]. Run is called
// once at a time.
//
// It returns an error when the consumer cannot be worked on until somebody acts:
// it has other categories than this follower, was renamed, or was removed.
func (f *Follower[Tx]) Run(ctx context.Context) error {
	if !f.running.TryLock() {
		return fmt.Errorf("consumer %s: Run is called twice on one Follower", f.id.Name)
	}
	defer f.running.Unlock()
	m := &member[Tx]{
		Follower: f,
		db:       bounded[Tx]{f.db, f.cfg.LeaseDuration / 2},
		name:     uuid.NewString(),
		program:  program(),
		workers:  make(map[int]*worker[Tx]),
		nudged:   make(chan struct{}, 1),
	}
	return m.run(ctx)
}

// program names this program for people.
func program() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	name := filepath.Base(os.Args[0])
	return strings.ToValidUTF8(fmt.Sprintf("%s (pid %d on %s)", name, os.Getpid(), host), "?")
}

// maxUnknown bounds how many types of foreign events are told of.
const maxUnknown = 100

// passBy tells, once for each type, of a foreign event that no line of the table
// has: its producer may have renamed it.
func (f *Follower[Tx]) passBy(m *store.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unknown[m.Type] || len(f.unknown) >= maxUnknown {
		return
	}
	if f.unknown == nil {
		f.unknown = make(map[string]bool)
	}
	f.unknown[m.Type] = true
	f.log.Warn("events of this type pass by: the table of foreign events does not have it",
		slog.String("category", m.Stream.Category), slog.String("type", m.Type), slog.String("id", m.Stream.ID), slog.Int64("version", m.Version))
}

// gracefulStop returns a context that ends only after ctx has ended and timeout
// has passed.
func gracefulStop(ctx context.Context, timeout time.Duration) (context.Context, func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		pause.Wait(work, timeout, nil)
		cancel()
	})
	return work, func() { stop(); cancel() }
}
