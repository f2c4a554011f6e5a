package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

// testModel runs random operations against the backend and the model, and
// compares every result and, after each step, everything that can be read.
// -rapid.checks and -rapid.steps make it longer.
func testModel[Tx any](t *testing.T, open func(t testing.TB) Backend[Tx]) {
	rapid.Check(t, func(rt *rapid.T) {
		scope := &scope{TB: t}
		defer scope.end()
		m := &machine[Tx]{t: t, b: mustOpen(scope, open), model: model{
			refusals: make(map[int64]int), waiting: make(map[int64]bool),
			snapshots: make(map[snapshotKey]store.Snapshot), values: make(map[string]string),
		}}
		rt.Repeat(m.operations())
	})
}

// scope is a part of a test: what it has opened is closed at its end.
type scope struct {
	testing.TB
	cleanups []func()
}

// Cleanup implements [testing.TB].
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// operations are those that the backend has.
func (m *machine[Tx]) operations() map[string]func(*rapid.T) {
	ops := map[string]func(*rapid.T){
		"":               m.compare,
		"append":         m.append,
		"append stale":   m.appendStale,
		"append invalid": m.appendInvalid,
		"read a page":    m.read,
	}
	if m.b.Outbox != nil {
		ops["read a page of the outbox"] = m.unpublished
		ops["mark published"] = m.markPublished
		ops["refuse"] = m.refuse
		ops["readmit"] = m.readmit
	}
	if m.b.Rewind != nil {
		ops["rewind"] = m.rewind
	}
	if m.b.Snapshots != nil {
		ops["snapshot"] = m.snapshot
	}
	if m.b.Inbox != nil {
		ops["transaction"] = m.transaction
	}
	if m.b.Consumers != nil {
		ops["request"] = m.request
		ops["transaction of consumers"] = m.consumerTransaction
	}
	return ops
}

type machine[Tx any] struct {
	t     *testing.T // for what is not an operation of the store
	b     subject[Tx]
	model model
	n     int // names what the machine makes
}

var (
	streams   = []store.Stream{product, other, {Category: "order", ID: "p-1"}}
	consumers = []string{"views", "mail"}
)

func (m *machine[Tx]) stream(t *rapid.T) store.Stream {
	return rapid.SampledFrom(streams).Draw(t, "stream")
}

func (m *machine[Tx]) events(t *rapid.T) []store.Event {
	m.n++
	return events(fmt.Sprint(m.n), rapid.IntRange(1, 4).Draw(t, "events"))
}

func (m *machine[Tx]) append(t *rapid.T) {
	s, batch := m.stream(t), m.events(t)
	version := m.model.version(s)
	expected := rapid.SampledFrom([]store.Expected{store.Any, store.At(version), store.After(version, m.model.eventID(s, version))}).Draw(t, "expected")
	equal(t, "version", mustAppend(t, m.b, s, expected, batch...), version+int64(len(batch)))
	stored, err := m.b.Read(t.Context(), s, version, len(batch))
	if err != nil {
		t.Fatalf("read %s: %v", s, err)
	}
	equalMessages(t, "what was appended", stored, page(s, version, batch))
	var last int64
	if len(m.model.log) > 0 {
		last = m.model.log[len(m.model.log)-1].Position
	}
	ascending(t, last, stored)
	m.model.log = append(m.model.log, stored...)
	m.model.published = append(m.model.published, make([]bool, len(stored))...)
}

func (m *machine[Tx]) appendStale(t *rapid.T) {
	s, batch := m.stream(t), m.events(t)
	version := m.model.version(s)
	expected := store.At(rapid.Int64Range(0, version+4).Filter(func(v int64) bool { return v != version }).Draw(t, "expected"))
	if version > 0 && rapid.Bool().Draw(t, "forked") {
		expected = store.After(version, "id-stray")
	}
	_, err := m.b.Append(t.Context(), s, expected, batch)
	mustConflict(t, err, s, expected, version)
}

func (m *machine[Tx]) appendInvalid(t *rapid.T) {
	r := rapid.SampledFrom(refusals).Draw(t, "refusal")
	_, err := m.b.Append(t.Context(), r.stream, r.expected, r.events)
	mustInvalid(t, err)
}

func (m *machine[Tx]) read(t *rapid.T) {
	s := m.stream(t)
	after, limit := rapid.Int64Range(0, 10).Draw(t, "after"), rapid.IntRange(0, 10).Draw(t, "limit")
	got, err := m.b.Read(t.Context(), s, after, limit)
	if err != nil {
		t.Fatalf("read %s: %v", s, err)
	}
	equal(t, "page of the stream", got, m.model.read(s, after, limit))
}

func (m *machine[Tx]) unpublished(t *rapid.T) {
	limit := rapid.IntRange(0, 10).Draw(t, "limit")
	after := rapid.SampledFrom(append(positions(m.model.log), 0)).Draw(t, "after")
	equal(t, "page of the outbox", mustLook(t, m.b, after, limit), m.model.unpublished(after, limit))
}

func (m *machine[Tx]) markPublished(t *rapid.T) {
	var marked []int64
	for i, message := range m.model.log {
		if rapid.Bool().Draw(t, "published") {
			marked = append(marked, message.Position)
			m.model.markPublished(i)
		}
	}
	mustPublish(t, m.b, marked...)
}

func (m *machine[Tx]) refuse(t *rapid.T) {
	position := rapid.SampledFrom(append(positions(m.model.log), 0)).Draw(t, "position")
	mustRefuse(t, m.b, position, "too large", time.Hour)
	for i, message := range m.model.log {
		if message.Position == position && !m.model.published[i] {
			m.model.refusals[position]++
			m.model.waiting[position] = true
		}
	}
}

func (m *machine[Tx]) readmit(t *rapid.T) {
	waiting := slices.Sorted(maps.Keys(m.model.waiting))
	var got []int64
	for _, r := range mustRefused(t, m.b, 0, all) {
		got = append(got, r.Position)
		equal(t, "attempts", r.Attempts, m.model.refusals[r.Position])
	}
	equal(t, "positions of refused messages", got, waiting)
	var first int64
	if len(waiting) > 0 {
		first = waiting[0]
	}
	equal(t, "the first that was due", mustReadmit(t, m.b, false), 0)
	equal(t, "the first of all", mustReadmit(t, m.b, true), first)
	clear(m.model.waiting)
}

func (m *machine[Tx]) rewind(t *rapid.T) {
	after := rapid.SampledFrom(append(positions(m.model.log), 0)).Draw(t, "after")
	m.b.Rewind(m.t, after)
	m.model.rewind(after)
}

// snapshot also takes versions and events that the stream does not have.
func (m *machine[Tx]) snapshot(t *rapid.T) {
	m.n++
	s := m.stream(t)
	version := rapid.Int64Range(1, m.model.version(s)+2).Draw(t, "version")
	snap := snapshot(s, rapid.IntRange(1, 2).Draw(t, "schema"), version)
	snap.EventID = "id-stray"
	if id := m.model.eventID(s, version); id != "" && rapid.IntRange(0, 3).Draw(t, "event") > 0 {
		snap.EventID = id
	}
	snap.Data = fmt.Appendf(snap.Data, "%d", m.n)
	mustWriteSnapshot(t, m.b, snap)
	m.model.writeSnapshot(snap)
}

// transaction makes some changes and commits them or not; the model works on a
// copy that the commit puts in place.
func (m *machine[Tx]) transaction(t *rapid.T) {
	commit := rapid.Bool().Draw(t, "commit")
	inbox, values := m.model.inbox.clone(), make(map[string]string)
	err := m.b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			if err := m.change(ctx, t, tx, &inbox, values); err != nil {
				return err
			}
		}
		if !commit {
			return errHandler
		}
		return nil
	})
	if commit && err != nil || !commit && !errors.Is(err, errHandler) {
		t.Fatalf("transaction: %v", err)
	}
	if commit {
		m.model.inbox = inbox
		for k, v := range values {
			m.model.values[k] = v
		}
	}
}

func (m *machine[Tx]) change(ctx context.Context, t *rapid.T, tx Tx, inbox *inboxModel, values map[string]string) error {
	m.n++
	consumer, s := rapid.SampledFrom(consumers).Draw(t, "consumer"), m.stream(t)
	version := rapid.Int64Range(1, 4).Draw(t, "version")
	switch change := rapid.SampledFrom([]string{"mark", "mark the log", "queue", "dequeue", "delete queue", "write", "reset"}).Draw(t, "change"); change {
	case "mark", "mark the log":
		if change == "mark the log" {
			s = store.Stream{}
		}
		got, err := m.b.Marks(ctx, tx, consumer, []store.Stream{s})
		if err != nil {
			return err
		}
		equal(t, "marks", got, inbox.marksOf(consumer, []store.Stream{s}))
		mark := store.Mark{Stream: s, Version: version, EventID: fmt.Sprint(m.n)}
		inbox.setMark(consumer, mark)
		return m.b.SetMarks(ctx, tx, consumer, []store.Mark{mark})
	case "queue":
		id := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "event")
		inbox.enqueue(consumer, keptQueued(s, version, id))
		if err := m.b.SetQueue(ctx, tx, queue(consumer, s, version), 0); err != nil {
			return err
		}
		return m.b.Enqueue(ctx, tx, consumer, []store.QueuedMessage{queued(s, version, id)})
	case "dequeue":
		inbox.dequeue(consumer, s, version)
		return m.b.Dequeue(ctx, tx, consumer, s, version)
	case "delete queue":
		inbox.deleteQueue(consumer, s)
		return m.b.DeleteQueue(ctx, tx, consumer, s)
	case "write":
		values[consumer] = fmt.Sprint(m.n)
		return m.b.Put(ctx, tx, consumer, values[consumer])
	default:
		inbox.forget(consumer)
		return m.b.Reset(ctx, tx, consumer)
	}
}
