package eventustest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
)

// ReadModel is a projection with the database that it writes to; made by
// [Projection].
type ReadModel[Tx, E, V any] struct {
	inbox   *rollback[Tx]
	handler consume.Handler[Tx, E]
	read    func(ctx context.Context, id string) (V, error)
	once    *consume.Once[Tx, E]
}

// Projection puts together what a test of a projection needs: the inbox whose
// transactions it writes in, the projection, and how the row of an aggregate is
// read. A read model that is no row for each aggregate returns what it has for
// any id.
//
//	eventustest.Projection(db, product.NewProjection(views), views.Get)
//
// A projection with a method Reset(ctx, tx) error is tested for its rebuild as
// well.
func Projection[Tx, E, V any](inbox store.Inbox[Tx], handler consume.Handler[Tx, E], read func(ctx context.Context, id string) (V, error)) ReadModel[Tx, E, V] {
	m := ReadModel[Tx, E, V]{inbox: &rollback[Tx]{Inbox: inbox}, handler: handler, read: read}
	m.once = consume.Idempotent(consumer, m.inbox, handle(handler), consume.Retry{MaxAttempts: 1})
	return m
}

// handle returns the function of a handler, nil for none.
func handle[Tx, E any](h consume.Handler[Tx, E]) func(ctx context.Context, tx Tx, m eventus.Message[E]) error {
	if h == nil {
		return nil
	}
	return h.Handle
}

const consumer = "eventustest"

// rollback is an inbox that can fail at the end of a transaction, as a database
// does whose server goes away. Nothing passes here by itself, as it does in
// production, where other writers go on: each error is the last.
type rollback[Tx any] struct {
	store.Inbox[Tx]
	fail bool
}

var (
	errRolledBack = errors.New("rolled back by the test")
	errStuck      = errors.New("the database is kept waiting; look for writes outside of the transaction, which wait for its end")
)

func (r *rollback[Tx]) InTx(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	err := r.Inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := f(ctx, tx); err != nil || !r.fail {
			return err
		}
		return errRolledBack
	})
	if err != nil && (r.IsTransient(err) || ctx.Err() != nil) {
		err = fmt.Errorf("%w: %w", err, errStuck)
	}
	return consume.Permanent(err)
}

// longestWait is how long the handling of a message may take: more than a
// database waits for a lock. A variable for tests alone.
var longestWait = 30 * time.Second

// deliver hands a message to the projection, once.
func (m ReadModel[Tx, E, V]) deliver(ctx context.Context, message eventus.Message[E]) error {
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	return m.once.Handle(ctx, message)
}

// attempt hands a message to the projection in a transaction that rolls back.
func (m ReadModel[Tx, E, V]) attempt(ctx context.Context, message eventus.Message[E]) error {
	m.inbox.fail = true
	defer func() { m.inbox.fail = false }()
	if err := m.deliver(ctx, message); !errors.Is(err, errRolledBack) {
		return err
	}
	return nil
}

// reset empties the read model, as the first half of a rebuild does. It reports
// whether the projection can.
func (m ReadModel[Tx, E, V]) reset(ctx context.Context) (can bool, err error) {
	r, can := m.handler.(interface {
		Reset(ctx context.Context, tx Tx) error
	})
	if !can {
		return false, nil
	}
	return true, m.inbox.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := m.inbox.Reset(ctx, tx, consumer); err != nil {
			return err
		}
		return r.Reset(ctx, tx)
	})
}

// ProjectionScenario is a sentence about a projection: given these messages, the
// read model is this. It is for one goroutine.
type ProjectionScenario[Tx, E, V any] struct {
	t        testing.TB
	messages messages[E]
	model    ReadModel[Tx, E, V]
	history  []eventus.Message[E]
	checked  bool
	err      error // why a message was refused
}

// ForProjection begins a scenario. Each message comes three times: in a
// transaction that rolls back, in one that commits, and as a duplicate; it is
// the test that an effect happens once. A projection that can be reset is
// rebuilt at the end, and must come to the same.
//
//	eventustest.ForProjection(t, Products, openViews(t)).
//		Given(Created{"Widget", eur(1299)}, Renamed{"Gadget"}).
//		Then(View{ID: eventustest.ID, Name: "Gadget", Price: eur(1299)})
func ForProjection[Tx, E, V any](t testing.TB, source Source[E], model ReadModel[Tx, E, V]) *ProjectionScenario[Tx, E, V] {
	t.Helper()
	switch {
	case absent(source):
		t.Fatal("no table of events; give a definition, or what eventus.Foreign returns")
	case model.once == nil:
		t.Fatal("no read model; give what Projection returns")
	}
	s := &ProjectionScenario[Tx, E, V]{t: t, messages: newMessages(t, source), model: model}
	mustEnd(t, &s.checked)
	return s
}

// Of says which aggregate the next Given and Then are about; [ID] in the
// beginning.
func (s *ProjectionScenario[Tx, E, V]) Of(id string) *ProjectionScenario[Tx, E, V] {
	s.messages.id = id
	return s
}

// At says when the events of the next Given were recorded; midnight of
// 2000-01-01 UTC in the beginning.
func (s *ProjectionScenario[Tx, E, V]) At(at time.Time) *ProjectionScenario[Tx, E, V] {
	s.messages.at = at
	return s
}

// Given hands events to the projection, oldest first.
func (s *ProjectionScenario[Tx, E, V]) Given(events ...E) *ProjectionScenario[Tx, E, V] {
	s.t.Helper()
	for _, event := range events {
		s.handle(s.messages.typed(event))
	}
	return s
}

// GivenStored hands an event to the projection as it is stored, under an old
// wire name or one of another service.
func (s *ProjectionScenario[Tx, E, V]) GivenStored(name, data string) *ProjectionScenario[Tx, E, V] {
	s.t.Helper()
	s.handle(s.messages.stored(name, jsonType, []byte(data)))
	return s
}

const jsonType = "application/json"

func (s *ProjectionScenario[Tx, E, V]) handle(m eventus.Message[E]) {
	s.t.Helper()
	ctx := context.Background()
	if s.err != nil {
		s.t.Fatalf("%s version %d comes after a message that was refused: %v", m.Stream, m.Version, s.err)
	}
	if err := s.model.attempt(ctx, m); errors.Is(err, errStuck) {
		s.t.Fatalf("%s version %d, %s: %v", m.Stream, m.Version, m.Type, err)
	} // any other error comes again
	if s.err = s.model.deliver(ctx, m); s.err != nil {
		return
	}
	s.history = append(s.history, m)
	if err := s.model.deliver(ctx, m); err != nil {
		s.t.Fatalf("a duplicate of %s version %d is refused: %v", m.Stream, m.Version, err)
	}
}

// Then says what the read model has for the aggregate.
func (s *ProjectionScenario[Tx, E, V]) Then(want V) {
	s.t.Helper()
	s.ThenModel(func(t testing.TB, got V) {
		t.Helper()
		if d := diff(want, got); d != "" {
			t.Fatalf("the read model is another (-want +got); if a count is too high, something is written outside of the transaction:\n%s", d)
		}
	})
}

// ThenModel hands what the read model has for the aggregate to check.
func (s *ProjectionScenario[Tx, E, V]) ThenModel(check func(t testing.TB, model V)) {
	s.t.Helper()
	s.checked = true
	if s.err != nil {
		s.t.Fatalf("a message was refused: %v", s.err)
	}
	ctx := context.Background()
	got, err := s.model.read(ctx, s.messages.id)
	if err != nil {
		s.t.Fatalf("the read model of %s cannot be read: %v", s.messages.id, err)
	}
	check(s.t, got)
	can, err := s.model.reset(ctx)
	if err != nil {
		s.t.Fatalf("reset: %v", err)
	}
	if !can {
		return
	}
	for _, m := range s.history {
		if err := s.model.deliver(ctx, m); err != nil {
			s.t.Fatalf("%s version %d is refused by the rebuild: %v", m.Stream, m.Version, err)
		}
	}
	again, err := s.model.read(ctx, s.messages.id)
	if d := diff(got, again); d != "" || err != nil {
		s.t.Fatalf("%v", broken(lawRebuild, "(%v) -was +rebuilt:\n%s", err, d))
	}
}

// ThenError says that the projection refuses the last message with an error
// that matches target, as by [errors.Is], or that there is nothing to read for
// that reason.
func (s *ProjectionScenario[Tx, E, V]) ThenError(target error) {
	s.t.Helper()
	s.checked = true
	err := s.err
	if err == nil {
		_, err = s.model.read(context.Background(), s.messages.id)
	}
	if !errors.Is(err, target) {
		s.t.Fatalf("got the error %v, want %q", err, target)
	}
}
