package eventus

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/codec"
	"github.com/eventus-go/eventus/store"
)

// Aggregate is embedded in the user's aggregate, which adds the decisions:
// methods that look at the state, refuse with an error, or record events.
//
//	type Product struct{ eventus.Aggregate[State, Event] }
//
// S is the state that events fold into, E the interface that all events of this
// aggregate satisfy. The zero value works, without a repository or a store. An
// aggregate is for one goroutine at a time.
type Aggregate[S any, E Event[S]] struct {
	_        noCopy
	stream   store.Stream
	state    S
	stored   store.Expected // the last event that the store has, as far as this value knows
	latest   time.Time      // of the stored events' times; zero when it is not known
	recorded []E
	ids      []string       // of those recorded events that were sent to a store
	sent     time.Time      // the latest time that these were sent with
	events   *EventTable[E] // nil in a zero value
}

// noCopy makes go vet tell of a copied aggregate: the two would share what they
// record.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Root is satisfied by a pointer to a struct that embeds [Aggregate], and by
// nothing else: the compiler names the method that is missing.
type Root[S any, E Event[S]] interface {
	embedsEventusAggregate() *Aggregate[S, E]
}

// ID returns the aggregate's id, empty in a zero value.
func (a *Aggregate[S, E]) ID() string { return a.stream.ID }

// Version counts the aggregate's events, recorded ones included. It is 0 for an
// aggregate that nothing has happened to: one that does not exist.
func (a *Aggregate[S, E]) Version() int64 { return a.stored.Version + int64(len(a.recorded)) }

// State returns the fold of all events, recorded ones included. Only events
// change it: what State returns is a copy, though maps and slices in it are
// shared and are not to be written to.
func (a *Aggregate[S, E]) State() S { return a.state }

// Record says that event has happened: it is applied at once, and the
// repository stores it with the other events recorded since the aggregate was
// loaded, all or none. The event is not changed afterwards.
//
// Record panics when the aggregate came from a repository and its definition
// does not list the event's type: that is a mistake in the program, not in its
// input.
func (a *Aggregate[S, E]) Record(event E) {
	if a.events != nil {
		if a.events.lineOf(event) == nil {
			panic(fmt.Sprintf("eventus: record on %s: %T is not in its definition; add eventus.Type[%[2]T](%q), or record the value and not a pointer to it", a.stream, event, a.stream.Category+"..."))
		}
	}
	event.Apply(&a.state)
	a.recorded = append(a.recorded, event)
}

// Recorded returns the events recorded since the aggregate was loaded or saved,
// in order.
func (a *Aggregate[S, E]) Recorded() []E { return slices.Clone(a.recorded) }

func (a *Aggregate[S, E]) embedsEventusAggregate() *Aggregate[S, E] { return a }

// core is an aggregate as the repository sees it, which does not know S and E.
type core interface {
	// bind gives a new aggregate its name and its table of events.
	bind(stream store.Stream, events any)
	// replay applies the next stored message.
	replay(m *store.Message) error
	// restore takes the state and version of a snapshot. On an error the
	// aggregate is as it was.
	restore(snap store.Snapshot) error
	// snapshot returns the state, encoded, with the version the store has.
	snapshot() (store.Snapshot, error)
	// pending returns the recorded events, encoded. Each keeps the id that it gets
	// from newID. They are about to be sent to a store with that time.
	pending(newID func() string, at time.Time) ([]store.Event, error)
	// saved tells that the recorded events are stored, up to version.
	saved(version int64)
	name() store.Stream
	// base returns the last event that the store has.
	base() store.Expected
	// version returns that with the recorded events.
	version() int64
}

func (a *Aggregate[S, E]) bind(stream store.Stream, events any) {
	a.stream, a.events = stream, events.(*EventTable[E])
}

func (a *Aggregate[S, E]) replay(m *store.Message) error {
	if m.Version != a.stored.Version+1 {
		return fmt.Errorf("the store returned version %d of %s after version %d", m.Version, a.stream, a.stored.Version)
	}
	event, err := a.events.decode(m)
	if err != nil {
		return err
	}
	event.Apply(&a.state)
	a.happened(m.Time)
	a.stored = store.After(m.Version, m.ID)
	return nil
}

func (a *Aggregate[S, E]) restore(snap store.Snapshot) (err error) {
	// A codec's or an unmarshaller's panic means a replay, as an error does.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode %T: panic: %v", a.state, p)
		}
	}()
	c, ok := a.events.codecs[snap.ContentType]
	if !ok {
		return fmt.Errorf("%w: %q", errContentType, snap.ContentType)
	}
	var state S
	if err := c.Decode(snap.Data, &state); err != nil {
		return err
	}
	a.state, a.stored, a.latest = state, store.After(snap.Version, snap.EventID), snap.Latest
	return nil
}

func (a *Aggregate[S, E]) snapshot() (store.Snapshot, error) {
	c := a.events.codec
	data, err := encodeState(c, a.state)
	if err != nil {
		return store.Snapshot{}, err
	}
	return store.Snapshot{Stream: a.stream, Version: a.stored.Version, EventID: a.stored.EventID, Latest: a.latest, ContentType: c.ContentType(), Data: data}, nil
}

// encodeState turns a codec's or a marshaller's panic into an error: a failing
// snapshot never fails a save.
func encodeState(c codec.Codec, state any) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("encode %T: panic: %v", state, p)
		}
	}()
	return c.Encode(state)
}

var errUnbound = errors.New("the aggregate has no id; make it by the repository's New, Load or Update")

func (a *Aggregate[S, E]) pending(newID func() string, at time.Time) ([]store.Event, error) {
	if a.events == nil {
		return nil, errUnbound
	}
	events := make([]store.Event, len(a.recorded))
	for i, event := range a.recorded {
		encoded, err := a.events.Encode(event)
		if err != nil {
			return nil, err
		}
		if i == len(a.ids) {
			a.ids = append(a.ids, newID())
		}
		encoded.ID, encoded.Time = a.ids[i], at
		events[i] = encoded
	}
	a.sent = later(a.sent, at)
	return events, nil
}

func (a *Aggregate[S, E]) saved(version int64) {
	a.happened(a.sent)
	a.stored = store.After(version, a.ids[len(a.ids)-1])
	a.recorded, a.ids, a.sent = nil, nil, time.Time{}
}

// happened notes the time of an event that follows the stored ones.
func (a *Aggregate[S, E]) happened(at time.Time) {
	if a.stored == store.NoStream || !a.latest.IsZero() {
		a.latest = later(a.latest, at)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (a *Aggregate[S, E]) name() store.Stream { return a.stream }

func (a *Aggregate[S, E]) base() store.Expected { return a.stored }

func (a *Aggregate[S, E]) version() int64 { return a.Version() }
