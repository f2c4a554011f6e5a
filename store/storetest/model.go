package storetest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// model is a store as simple as the contract allows: slices and linear search.
// Its positions are the places in log; the backend's own are looked up there.
type model struct {
	log       []store.Message
	published []bool         // parallel to log
	refusals  map[int64]int  // attempts of refused messages, by position
	waiting   map[int64]bool // positions of those that were not readmitted
	snapshots map[snapshotKey]store.Snapshot
	inbox     inboxModel
	values    map[string]string // the handler's own writes
	consumers consumerModel
}

type snapshotKey struct {
	stream store.Stream
	schema int
}

// inboxModel is the part that transactions change.
type inboxModel struct {
	marks  []consumerMark
	queues []modelQueue
}

// modelQueue is a stream that does not flow.
type modelQueue struct {
	consumer string
	stream   store.Stream
	messages []store.QueuedMessage
}

type consumerMark struct {
	consumer string
	store.Mark
}

// clone returns what a transaction works on until it commits.
func (m inboxModel) clone() inboxModel {
	return inboxModel{slices.Clone(m.marks), slices.Clone(m.queues)}
}

func (m *model) version(s store.Stream) int64 { return int64(len(m.read(s, 0, all))) }

func (m *model) read(s store.Stream, after int64, limit int) []store.Message {
	var page []store.Message
	for _, message := range m.log {
		if message.Stream == s && message.Version > after && len(page) < limit {
			page = append(page, message)
		}
	}
	return page
}

func (m *model) unpublished(after int64, limit int) []store.Outgoing {
	var page []store.Outgoing
	held := make(map[store.Stream]bool)
	for i, message := range m.log {
		held[message.Stream] = held[message.Stream] || m.waiting[message.Position]
		if message.Position > after && !m.published[i] && !held[message.Stream] && len(page) < limit {
			page = append(page, store.Outgoing{
				Message: message, Previous: m.eventID(message.Stream, message.Version-1), Attempts: m.refusals[message.Position],
			})
		}
	}
	return page
}

func (m *model) markPublished(i int) {
	m.published[i] = true
	delete(m.waiting, m.log[i].Position)
	delete(m.refusals, m.log[i].Position)
}

func (m *model) rewind(after int64) {
	for i, message := range m.log {
		if message.Position > after {
			m.log, m.published = m.log[:i:i], m.published[:i:i]
			maps.DeleteFunc(m.waiting, func(p int64, _ bool) bool { return p > after })
			maps.DeleteFunc(m.refusals, func(p int64, _ int) bool { return p > after })
			return
		}
	}
}

// snapshot returns the snapshot, or one of version 0.
func (m *model) snapshot(s store.Stream, schema int) store.Snapshot {
	kept := m.snapshots[snapshotKey{s, schema}]
	if kept.Version == 0 || kept.EventID != m.eventID(s, kept.Version) {
		return store.Snapshot{Stream: s, Schema: schema}
	}
	return kept
}

func (m *model) writeSnapshot(snap store.Snapshot) {
	eventID := m.eventID(snap.Stream, snap.Version)
	if eventID == snap.EventID && snap.Version > m.snapshot(snap.Stream, snap.Schema).Version {
		m.snapshots[snapshotKey{snap.Stream, snap.Schema}] = snap
	}
}

// eventID returns the id of the event at a version, empty when there is none.
func (m *model) eventID(s store.Stream, version int64) string {
	if page := m.read(s, version-1, 1); version > 0 && len(page) == 1 {
		return page[0].ID
	}
	return ""
}

func (m *inboxModel) marksOf(consumer string, streams []store.Stream) []store.Mark {
	marks := make([]store.Mark, len(streams))
	for i, s := range streams {
		marks[i] = store.Mark{Stream: s}
		for _, mark := range m.marks {
			if mark.consumer == consumer && mark.Stream == s {
				marks[i].Version, marks[i].EventID = mark.Version, mark.EventID
			}
		}
		if m.queue(consumer, s) != nil {
			marks[i].Reason = store.Waiting
		}
	}
	return marks
}

func (m *inboxModel) setMark(consumer string, mark store.Mark) {
	m.marks = append(m.marks, consumerMark{consumer, mark}) // the last one counts
}

func (m *inboxModel) forget(consumer string) {
	m.marks = slices.DeleteFunc(m.marks, func(mark consumerMark) bool { return mark.consumer == consumer })
	m.queues = slices.DeleteFunc(m.queues, func(q modelQueue) bool { return q.consumer == consumer })
}

func (m *inboxModel) queue(consumer string, s store.Stream) *modelQueue {
	for i := range m.queues {
		if m.queues[i].consumer == consumer && m.queues[i].stream == s {
			return &m.queues[i]
		}
	}
	return nil
}

func (m *inboxModel) enqueue(consumer string, message store.QueuedMessage) {
	q := m.queue(consumer, message.Stream)
	if q == nil {
		m.queues = append(m.queues, modelQueue{consumer: consumer, stream: message.Stream})
		q = &m.queues[len(m.queues)-1]
	}
	for _, old := range q.messages {
		if old.Version == message.Version && old.ID == message.ID {
			return
		}
	}
	q.messages = append(slices.Clone(q.messages), message)
	slices.SortFunc(q.messages, func(a, b store.QueuedMessage) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
	})
}

func (m *inboxModel) dequeue(consumer string, s store.Stream, version int64) {
	if q := m.queue(consumer, s); q != nil {
		q.messages = slices.DeleteFunc(slices.Clone(q.messages), func(m store.QueuedMessage) bool { return m.Version <= version })
	}
}

func (m *inboxModel) deleteQueue(consumer string, s store.Stream) {
	m.queues = slices.DeleteFunc(m.queues, func(q modelQueue) bool { return q.consumer == consumer && q.stream == s })
}

func (m *inboxModel) queuedOf(consumer string, s store.Stream) []store.QueuedMessage {
	if q := m.queue(consumer, s); q != nil {
		return q.messages
	}
	return nil
}

// queuesOf returns the streams that do not flow, in byte order.
func (m *inboxModel) queuesOf(consumer string) []store.Stream {
	var streams []store.Stream
	for _, q := range m.queues {
		if q.consumer == consumer {
			streams = append(streams, q.stream)
		}
	}
	slices.SortFunc(streams, func(a, b store.Stream) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.ID, b.ID))
	})
	return streams
}
