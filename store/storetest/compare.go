package storetest

import (
	"context"

	"github.com/eventus-go/eventus/store"
	"pgregory.net/rapid"
)

// compare reads everything.
func (m *machine[Tx]) compare(t *rapid.T) {
	equal(t, "streams", mustReadInOrder(t, m.b, streams...), m.model.log)
	if m.b.Log != nil {
		equal(t, "log", mustReadAll(t, m.b.Log), m.model.log)
	}
	if m.b.Outbox != nil {
		equal(t, "outbox", mustLook(t, m.b, 0, all), m.model.unpublished(0, all))
	}
	if m.b.Snapshots != nil {
		m.compareSnapshots(t)
	}
	if m.b.Inbox != nil {
		m.compareCommitted(t)
		mustInTx(t, m.b, func(ctx context.Context, tx Tx) error { return m.compareInbox(ctx, t, tx) })
	}
	if m.b.Consumers != nil {
		m.compareConsumers(t)
	}
}

func (m *machine[Tx]) compareSnapshots(t *rapid.T) {
	for _, s := range streams {
		for schema := 1; schema <= 2; schema++ {
			snap, tail := mustReadSnapshot(t, m.b, s, schema, all)
			want := m.model.snapshot(s, schema)
			equal(t, "snapshot", snap, want)
			equal(t, "tail", tail, m.model.read(s, want.Version, all))
		}
	}
}

// compareCommitted reads what is in no transaction.
func (m *machine[Tx]) compareCommitted(t *rapid.T) {
	for _, consumer := range consumers {
		equal(t, "queues", streamsOfQueues(mustListQueues(t, m.b, consumer, store.Stream{}, all)), m.model.inbox.queuesOf(consumer))
		got, ok, err := m.b.Get(t.Context(), consumer)
		want, wantOK := m.model.values[consumer]
		if err != nil || got != want || ok != wantOK {
			t.Fatalf("under %s is %q (there: %v), error %v, want %q", consumer, got, ok, err, want)
		}
	}
}

// compareInbox reads what takes a transaction.
func (m *machine[Tx]) compareInbox(ctx context.Context, t *rapid.T, tx Tx) error {
	asked := append([]store.Stream{{}}, streams...)
	for _, consumer := range consumers {
		marks, err := m.b.Marks(ctx, tx, consumer, asked)
		if err != nil {
			return err
		}
		equal(t, "marks", marks, m.model.inbox.marksOf(consumer, asked))
		for _, s := range streams {
			queued, err := m.b.Queued(ctx, tx, consumer, s, all)
			if err != nil {
				return err
			}
			equal(t, "queue", queued, m.model.inbox.queuedOf(consumer, s))
		}
	}
	return nil
}
