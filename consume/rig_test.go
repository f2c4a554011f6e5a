package consume_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/google/uuid"
)

// rig is a real database with a log, consumers, and a table that shows each
// effect of a handler. Tests that run on several databases are written for it.
type rig interface {
	store.Store
	store.Log
	consumerRows

	// follower returns a follower of log whose effects are in this database.
	follower(name string, log store.Log, cfg consume.Config, p program) runner
	ask(ctx context.Context, r store.Request) error
	// effects returns the ids of the events that took effect, in order of their
	// effects, by stream.
	effects(ctx context.Context, consumer string) (map[store.Stream][]string, error)
	exec(ctx context.Context, statement string) error
	number(ctx context.Context, query string) (int64, error)
}

type consumerRows interface {
	ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error)
	ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error)
	ListRequests(ctx context.Context, name string, before int64, limit int) ([]store.Request, error)
}

type runner interface {
	Run(ctx context.Context) error
	State(ctx context.Context) (consume.State, error)
	Wait(ctx context.Context, stream store.Stream, version int64) error
}

// program is what the programs of these tests do differently. The zero value
// knows all events, and writes one effect for each.
type program struct {
	// before and after run before and after the effect of a message is written.
	// tx is a pgx.Tx or a *sql.Tx.
	before, after func(ctx context.Context, tx any, m eventus.Message[bumpEvent]) error
	// definition is that of category bump. Default bumps.
	definition *eventus.Definition[*bump, bumpEvent]
	// jumps makes the program read category jump too.
	jumps bool
	// betweenTransactions runs before each transaction.
	betweenTransactions func(ctx context.Context) error
	outside             bool
}

const (
	writeEffect = `INSERT INTO effects (consumer, category, id, event_id) VALUES ($1, $2, $3, $4)`
	readEffects = `SELECT category, id, event_id FROM effects WHERE consumer = $1 ORDER BY n`
	dropEffects = `DELETE FROM effects WHERE consumer = $1`
)

// bed is the rig of a backend.
type bed[Tx any] struct {
	store.Store
	consume.Database[Tx]
	write  func(ctx context.Context, tx Tx, statement string, args ...any) error
	query  func(ctx context.Context, query string, args ...any) ([][3]string, error)
	do     func(ctx context.Context, statement string) error
	count  func(ctx context.Context, query string) (int64, error)
	closer func()
}

// Read settles which of the two embedded methods is meant.
func (b *bed[Tx]) Read(ctx context.Context, s store.Stream, after int64, limit int) ([]store.Message, error) {
	return b.Store.Read(ctx, s, after, limit)
}

func (b *bed[Tx]) exec(ctx context.Context, statement string) error { return b.do(ctx, statement) }

func (b *bed[Tx]) number(ctx context.Context, query string) (int64, error) {
	return b.count(ctx, query)
}

func (b *bed[Tx]) follower(name string, log store.Log, cfg consume.Config, p program) runner {
	handle := func(ctx context.Context, tx Tx, m eventus.Message[bumpEvent]) error {
		if p.before != nil {
			if err := p.before(ctx, tx, m); err != nil {
				return err
			}
		}
		if err := b.write(ctx, tx, writeEffect, name, m.Stream.Category, m.Stream.ID, m.ID); err != nil {
			return err
		}
		if p.after != nil {
			return p.after(ctx, tx, m)
		}
		return nil
	}
	definition := p.definition
	if definition == nil {
		definition = bumps
	}
	on := consume.On(definition, handle)
	if p.outside {
		on = consume.Outside(on)
	}
	routes := []consume.Route[Tx]{on, consume.OnReset(func(ctx context.Context, tx Tx) error { return b.write(ctx, tx, dropEffects, name) })}
	if p.jumps {
		routes = append(routes, consume.On(jumps, handle))
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	db := consume.Across(log, store.Consumers[Tx](b.Database))
	if p.betweenTransactions != nil {
		db = gate[Tx]{db, p.betweenTransactions}
	}
	return consume.Follow(name, db, cfg, routes...)
}

// gate is a database whose transactions wait for a function.
type gate[Tx any] struct {
	consume.Database[Tx]
	pass func(ctx context.Context) error
}

func (g gate[Tx]) InTx(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	if err := g.pass(ctx); err != nil {
		return err
	}
	return g.Database.InTx(ctx, f)
}

func (b *bed[Tx]) ask(ctx context.Context, r store.Request) error {
	_, err := consume.Ask(ctx, store.Consumers[Tx](b.Database), r)
	return err
}

func (b *bed[Tx]) effects(ctx context.Context, consumer string) (map[store.Stream][]string, error) {
	rows, err := b.query(ctx, readEffects, consumer)
	if err != nil {
		return nil, err
	}
	effects := make(map[store.Stream][]string)
	for _, r := range rows {
		s := store.Stream{Category: r[0], ID: r[1]}
		effects[s] = append(effects[s], r[2])
	}
	return effects, nil
}

// eachDatabase runs a test on an empty database of each backend.
func eachDatabase(t *testing.T, test func(t *testing.T, r rig)) {
	t.Helper()
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); test(t, newPostgres(t)) })
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); test(t, newSQLite(t)) })
}

// quick is a configuration whose leases and pauses are short.
func quick() consume.Config {
	return consume.Config{
		LeaseDuration: time.Second, MaxPollInterval: 20 * time.Millisecond, StopTimeout: time.Second,
		Retry: consume.Retry{MaxAttempts: 3, BaseDelay: 5 * time.Millisecond, MaxDelay: 100 * time.Millisecond},
	}
}

// add appends n events to the stream of id, in one append.
func add(t testing.TB, s store.Store, id string, n int) {
	t.Helper()
	if err := tryAdd(context.Background(), s, bumps, id, n); err != nil {
		t.Fatal(err)
	}
}

func tryAdd(ctx context.Context, s store.Store, d *eventus.Definition[*bump, bumpEvent], id string, n int) error {
	events := make([]store.Event, n)
	for i := range events {
		e, err := d.Encode(bumped{i})
		if err != nil {
			return err
		}
		e.ID, e.Time = uuid.NewString(), time.Now()
		events[i] = e
	}
	_, err := s.Append(ctx, d.Stream(id), store.Any, events)
	return err
}

// start runs a follower until stop is called or the test ends. An error of Run
// fails the test.
func start(t testing.TB, f runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// await waits until ok reports true. It bounds a test that has failed, and is no
// measure of anything.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// eventsOf returns the ids of all events of a log, by stream, in order, without
// those of other categories than bump and jump.
func eventsOf(t testing.TB, log store.Log) map[store.Stream][]string {
	t.Helper()
	all := make(map[store.Stream][]string)
	for after := int64(0); ; {
		page, err := log.ReadAll(context.Background(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			all[page[i].Stream] = append(all[page[i].Stream], page[i].ID)
			after = page[i].Position
		}
		if len(page) == 0 {
			return all
		}
	}
}

// difference says how the effects of a consumer differ from the log; empty when
// each event has had its effect once and in order.
func difference(t testing.TB, r rig, consumer string, log store.Log) string {
	t.Helper()
	effects, err := r.effects(context.Background(), consumer)
	if err != nil {
		t.Fatal(err)
	}
	want := eventsOf(t, log)
	for s, ids := range effects {
		if !slices.Equal(ids, want[s]) {
			same := 0
			for same < min(len(ids), len(want[s])) && ids[same] == want[s][same] {
				same++
			}
			return fmt.Sprintf("%s: %d effects, want %d; different from version %d on: %.300v, want %.300v", s, len(ids), len(want[s]), same+1, ids[same:], want[s][same:])
		}
	}
	for s, ids := range want {
		if len(effects[s]) == 0 {
			return fmt.Sprintf("%s: no effects, want %d", s, len(ids))
		}
	}
	return ""
}

// awaitExact waits until the effects are those of the log, each once, in order.
func awaitExact(t testing.TB, r rig, consumer string, log store.Log) {
	t.Helper()
	last := ""
	defer func() {
		if t.Failed() && last != "" {
			t.Log(last)
		}
	}()
	await(t, "each event has its effect once", func() bool {
		last = difference(t, r, consumer, log)
		return last == ""
	})
}

// parkedOf returns the parked streams of a consumer, by id.
func parkedOf(t testing.TB, r rig, consumer string) map[string]store.Parked {
	t.Helper()
	rows, err := r.ListParked(context.Background(), store.ConsumerID{Name: consumer}, store.Stream{}, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	parked := make(map[string]store.Parked)
	for _, p := range rows {
		parked[p.Stream.ID] = p
	}
	return parked
}

// consumerOf returns a consumer, which is zero before it exists.
func consumerOf(t testing.TB, r rig, name string) store.Consumer {
	t.Helper()
	all, _, err := r.ListConsumers(context.Background(), store.ConsumerID{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		return store.Consumer{}
	}
	return all[0]
}

func ask(t testing.TB, r rig, consumer string, request store.Request) {
	t.Helper()
	request.Consumer.Name = consumer
	if err := r.ask(context.Background(), request); err != nil {
		t.Fatal(err)
	}
}

// segmentOf returns the segment that a stream of category bump falls to.
func segmentOf(id string, segments int) int {
	h := fnv.New32a()
	s := bumps.Stream(id)
	_, _ = h.Write([]byte(s.Category + "\x00" + s.ID))
	return int(h.Sum32() % uint32(segments))
}
