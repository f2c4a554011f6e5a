package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

var consumerIDs = []store.ConsumerID{{Name: "a"}, {Name: "a", Generation: 1}, {Name: "B"}}

// request adds a request, which is in no transaction.
func (m *machine[Tx]) request(t *rapid.T) {
	r := rapid.SampledFrom(everyRequest(rapid.SampledFrom(consumerIDs).Draw(t, "consumer"))).Draw(t, "request")
	r.ID = mustAdd(t, m.b, r)
	if n := len(m.model.consumers.requests); n > 0 && r.ID <= m.model.consumers.requests[n-1].ID {
		t.Fatalf("request %d comes after %d", r.ID, m.model.consumers.requests[n-1].ID)
	}
	m.model.consumers.requests = append(m.model.consumers.requests, r)
}

// consumerTransaction makes some changes of consumers and commits them or not.
func (m *machine[Tx]) consumerTransaction(t *rapid.T) {
	end := rapid.SampledFrom([]error{nil, errHandler}).Draw(t, "end")
	model := m.model.consumers.clone()
	err := m.b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			if err := m.changeConsumer(ctx, t, tx, &model); err != nil {
				return err
			}
		}
		return end
	})
	if !errors.Is(err, end) {
		t.Fatalf("transaction: %v", err)
	}
	if end == nil {
		m.model.consumers = model
	}
}

// changeConsumer makes one change. It compares the result, and returns only
// errors that the contract does not have.
func (m *machine[Tx]) changeConsumer(ctx context.Context, t *rapid.T, tx Tx, model *consumerModel) error {
	m.n++
	id := rapid.SampledFrom(consumerIDs).Draw(t, "consumer")
	c := model.find(id)
	alive := c != nil && c.RenamedTo == ""
	change := rapid.SampledFrom([]string{
		"create", "save", "rename", "delete", "advance", "advance", "advance", "park", "park", "park", "redrive", "retry", "finish",
	}).Draw(t, "change")
	if c == nil && rapid.IntRange(0, 3).Draw(t, "else create") > 0 {
		change = "create" // most changes find a consumer
	}
	switch change {
	case "create":
		fresh := keptConsumer(newConsumer(id, rapid.IntRange(0, 3).Draw(t, "segments")))
		created, err := m.b.CreateConsumer(ctx, tx, fresh)
		equal(t, "created", created, model.create(fresh))
		return err
	case "save":
		if c != nil && !alive {
			return nil // nobody saves what is left of a name
		}
		return m.saveConsumer(ctx, t, tx, model, id)
	case "rename":
		if c != nil && !alive {
			return nil
		}
		name := rapid.SampledFrom(consumerIDs).Draw(t, "new name").Name
		mustBe(t, "rename", m.b.RenameConsumer(ctx, tx, id, name), model.rename(id, name))
		return nil
	case "delete":
		model.remove(id)
		return m.b.DeleteConsumer(ctx, tx, id)
	case "advance":
		claim := store.Claim{Consumer: id, Segment: rapid.IntRange(0, 1).Draw(t, "segment")}
		if c != nil && claim.Segment < len(c.Segments) && rapid.IntRange(0, 3).Draw(t, "claim") > 0 {
			claim = claimOf(*c, claim.Segment)
		}
		to := store.Progress{Position: int64(m.n), EventID: fmt.Sprint(m.n), Tries: m.n % 3}
		mustBe(t, "advance", m.b.Advance(ctx, tx, claim, to, time.Hour), model.advance(claim, to))
		return nil
	case "park":
		if !alive {
			return nil // nobody parks streams of a consumer that is not there
		}
		return m.parkStream(ctx, t, tx, model, id)
	case "redrive":
		s := rapid.SampledFrom(append([]store.Stream{{}}, streams...)).Draw(t, "stream")
		n, err := m.b.RedriveParked(ctx, tx, id, s)
		equal(t, "streams redriven", n, model.redrive(id, s))
		return err
	case "retry":
		segment := rapid.IntRange(0, 1).Draw(t, "segment")
		n, err := m.b.RetryParked(ctx, tx, id, segment, 2, 1000*time.Hour)
		equal(t, "streams retried", n, model.unknown(id, segment, 2))
		return err
	default:
		request, outcome := int64(0), fmt.Sprint(m.n)
		if len(model.requests) > 0 {
			request = rapid.SampledFrom(model.requests).Draw(t, "request").ID
		}
		finished, err := m.b.FinishRequest(ctx, tx, request, outcome)
		equal(t, "finished", finished, model.finish(request, outcome))
		return err
	}
}

func (m *machine[Tx]) saveConsumer(ctx context.Context, t *rapid.T, tx Tx, model *consumerModel, id store.ConsumerID) error {
	locked, _, err := m.b.LockConsumer(ctx, tx, id)
	if want := model.find(id); want == nil {
		mustBe(t, "lock", err, store.ErrNoConsumer)
	} else {
		mustBe(t, "lock", err, nil)
		equal(t, "locked", withoutLeases([]store.Consumer{locked}), withoutLeases([]store.Consumer{*want}))
	}
	c := keptConsumer(busyConsumer(id))
	c.Rebuild, c.Paused = int64(m.n), rapid.Bool().Draw(t, "paused")
	c.Segments = c.Segments[:rapid.IntRange(0, len(c.Segments)).Draw(t, "segments")]
	c.Members = c.Members[:rapid.IntRange(0, len(c.Members)).Draw(t, "members")]
	for i := range c.Segments {
		c.Segments[i].Position, c.Segments[i].Epoch = int64(m.n+i), int64(m.n)
	}
	err = m.b.SaveConsumer(ctx, tx, c)
	c.Segments = slices.Clone(c.Segments)
	mustBe(t, "save", err, model.save(c))
	return nil
}

// parkStream sets or deletes the row of a stream.
func (m *machine[Tx]) parkStream(ctx context.Context, t *rapid.T, tx Tx, model *consumerModel, id store.ConsumerID) error {
	s := m.stream(t)
	rows, err := m.b.FindParked(ctx, tx, id, []store.Stream{s, s})
	if err != nil {
		return err
	}
	var want []store.Parked
	for _, p := range model.parkedOf(id) {
		if p.Stream == s {
			want = append(want, p)
		}
	}
	equal(t, "parked", untimed(rows), untimed(want))
	if rapid.IntRange(0, 2).Draw(t, "park") == 0 {
		model.unpark(id, s)
		return m.b.DeleteParked(ctx, tx, id, s)
	}
	p := because(parked(id, s), rapid.SampledFrom(reasons).Draw(t, "reason"))
	p.Version, p.Attempts = int64(m.n), m.n
	model.park(p)
	return m.b.SetParked(ctx, tx, p, time.Hour)
}

// compareConsumers reads everything that is kept of consumers.
func (m *machine[Tx]) compareConsumers(t *rapid.T) {
	model := &m.model.consumers
	equal(t, "consumers", withoutLeases(mustList(t, m.b)), withoutLeases(model.consumers))
	requests := undated(mustListRequests(t, m.b, ""))
	slices.Reverse(requests)
	equal(t, "requests", requests, undated(model.requests))
	for _, id := range consumerIDs {
		rows := model.parkedOf(id)
		equal(t, "parked streams", untimed(mustListParked(t, m.b, id)), untimed(rows))
		equal(t, "pending requests", undated(mustPending(t, m.b, id)), undated(model.pending(id)))
		counts, err := m.b.CountParked(t.Context(), id)
		mustBe(t, "count", err, nil)
		var n int64
		for _, c := range counts[id] {
			n += c.Streams
		}
		equal(t, "count of parked streams", n, int64(len(rows)))
	}
}
