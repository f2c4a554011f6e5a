package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// consumerModel is what a store keeps of consumers, as simple as the contract
// allows. It has no clock: a time that the store sets is left out.
type consumerModel struct {
	consumers []store.Consumer
	parked    []store.Parked
	requests  []store.Request // in ascending order of id
}

// clone returns what a transaction works on until it commits.
func (m consumerModel) clone() consumerModel {
	consumers := slices.Clone(m.consumers)
	for i := range consumers {
		consumers[i].Segments = slices.Clone(consumers[i].Segments)
	}
	return consumerModel{consumers, slices.Clone(m.parked), slices.Clone(m.requests)}
}

// find returns a consumer to read or change, or nil.
func (m *consumerModel) find(id store.ConsumerID) *store.Consumer {
	for i := range m.consumers {
		if m.consumers[i].ConsumerID == id {
			return &m.consumers[i]
		}
	}
	return nil
}

func (m *consumerModel) create(c store.Consumer) bool {
	if m.find(c.ConsumerID) != nil {
		return false
	}
	m.consumers = append(m.consumers, c)
	slices.SortFunc(m.consumers, func(a, b store.Consumer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Generation, b.Generation))
	})
	return true
}

func (m *consumerModel) save(c store.Consumer) error {
	old := m.find(c.ConsumerID)
	if old == nil {
		return store.ErrNoConsumer
	}
	*old = c
	return nil
}

func (m *consumerModel) rename(id store.ConsumerID, name string) error {
	to := store.ConsumerID{Name: name, Generation: id.Generation}
	old := m.find(id)
	if old == nil {
		return store.ErrNoConsumer
	}
	if m.find(to) != nil {
		return store.ErrConsumerExists
	}
	renamed := *old
	renamed.ConsumerID = to
	*old = store.Consumer{ConsumerID: id, RenamedTo: name}
	m.create(renamed)
	for i := range m.parked {
		if m.parked[i].Consumer == id {
			m.parked[i].Consumer = to
		}
	}
	for i := range m.requests {
		if m.requests[i].Consumer == id {
			m.requests[i].Consumer = to
		}
	}
	return nil
}

func (m *consumerModel) remove(id store.ConsumerID) {
	m.consumers = slices.DeleteFunc(m.consumers, func(c store.Consumer) bool { return c.ConsumerID == id })
	m.parked = slices.DeleteFunc(m.parked, func(p store.Parked) bool { return p.Consumer == id })
}

func (m *consumerModel) advance(claim store.Claim, to store.Progress) error {
	c := m.find(claim.Consumer)
	if c == nil || claim.Segment >= len(c.Segments) {
		return store.ErrClaimLost
	}
	s := &c.Segments[claim.Segment]
	if s.Epoch != claim.Epoch || s.Position != claim.Position {
		return store.ErrClaimLost
	}
	s.Progress = to
	return nil
}

func (m *consumerModel) unpark(id store.ConsumerID, s store.Stream) {
	m.parked = slices.DeleteFunc(m.parked, func(p store.Parked) bool { return p.Consumer == id && p.Stream == s })
}

func (m *consumerModel) park(p store.Parked) {
	m.unpark(p.Consumer, p.Stream)
	m.parked = append(m.parked, p)
}

func (m *consumerModel) parkedOf(id store.ConsumerID) []store.Parked {
	var rows []store.Parked
	for _, p := range m.parked {
		if p.Consumer == id {
			rows = append(rows, p)
		}
	}
	slices.SortFunc(rows, func(a, b store.Parked) int { return byteOrder(a.Stream, b.Stream) })
	return rows
}

func (m *consumerModel) redrive(id store.ConsumerID, s store.Stream) (n int64) {
	for i := range m.parked {
		p := &m.parked[i]
		all := s == store.Stream{} && p.Reason != store.Forked
		if p.Consumer == id && (all || p.Stream == s) {
			p.Reason, p.Attempts = store.Waiting, 0
			n++
		}
	}
	return n
}

// unknown counts the unknown streams of a segment, which RetryParked makes due.
// The model has no clock.
func (m *consumerModel) unknown(id store.ConsumerID, segment, segments int) (n int64) {
	for _, p := range m.parked {
		if p.Consumer == id && p.Reason == store.Unknown && int(p.Hash%uint32(segments)) == segment {
			n++
		}
	}
	return n
}

func (m *consumerModel) finish(id int64, outcome string) bool {
	for i := range m.requests {
		r := &m.requests[i]
		if r.ID == id && r.DoneAt.IsZero() {
			r.DoneAt, r.Outcome = noon, outcome
			return true
		}
	}
	return false
}

func (m *consumerModel) pending(id store.ConsumerID) []store.Request {
	var pending []store.Request
	for _, r := range m.requests {
		if r.Consumer == id && r.DoneAt.IsZero() {
			pending = append(pending, r)
		}
	}
	return pending
}

// withoutLeases returns consumers without what Advance sets by the clock, and
// without what a store may keep under an old name.
func withoutLeases(consumers []store.Consumer) []store.Consumer {
	consumers = slices.Clone(consumers)
	for i := range consumers {
		c := &consumers[i]
		if c.RenamedTo != "" && len(c.Segments) == 0 {
			*c = store.Consumer{ConsumerID: c.ConsumerID, RenamedTo: c.RenamedTo}
		}
		c.Segments = slices.Clone(c.Segments)
		for k := range c.Segments {
			c.Segments[k].LeaseUntil = time.Time{}
		}
	}
	return consumers
}

// undated returns requests without the times that the store sets.
func undated(requests []store.Request) []store.Request {
	requests = slices.Clone(requests)
	for i := range requests {
		requests[i].AskedAt = time.Time{}
		if !requests[i].DoneAt.IsZero() {
			requests[i].DoneAt = noon
		}
	}
	return requests
}
