package eventustest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// folds is how often a history is applied to see whether its state is always the
// same. A range over a map of two entries has the other order once in eight
// times: all folds agree by luck in one of some five thousand histories.
const folds = 64

// folded looks at what Apply does: the same each time, to its state alone.
func (tr *trial[S, E, A]) folded(t testing.TB) *violation {
	events, was, v := tr.roomy()
	if v != nil {
		return v
	}
	first, v := tr.fold(events)
	if v != nil {
		return v
	}
	for i := range events {
		if fingerprint(events[i]) != was[i] {
			return tr.written()
		}
	}
	alone := fingerprint(first)
	apart := func() *violation {
		is := fingerprint(first)
		if is == alone {
			return nil
		}
		for i := range events {
			if now := fingerprint(events[i]); now != was[i] {
				return broken(lawAlias, "an Apply has changed event %d, %s, which the state kept a slice, map or pointer of; keep a copy, by slices.Clone or maps.Clone\n-before +after:\n%s", i+1, tr.events[i].Type, changes(was[i], now))
			}
		}
		return broken(lawApart, "the events of one aggregate changed the state of another, by a map or slice of the package, or one that a method keeps\n-before +after:\n%s", changes(alone, is))
	}
	v = tr.steady(events, first)
	if shared := apart(); shared != nil {
		return shared
	}
	if v != nil {
		return v
	}
	// The same events the other way round: they make no sense, but what they
	// write must not be what the first state reads.
	backwards := slices.Clone(events)
	slices.Reverse(backwards)
	_, _ = tr.fold(backwards)
	if shared := apart(); shared != nil {
		return shared
	}
	elsewhen(t, func() {
		if v != nil {
			return
		}
		var later S
		if later, v = tr.fold(events); v != nil {
			return
		}
		d := diff(first, later)
		if d == "" {
			return
		}
		if v = tr.steady(events, later); v == nil {
			v = broken(lawTimeless, "the same events give another state at another time, %s; put the time into the event\n-now +then:\n%s", time.Now().UTC().Format(time.RFC3339), d)
		}
	})
	return v
}

// steady looks whether events always give the state that they gave once.
func (tr *trial[S, E, A]) steady(events []E, once S) *violation {
	for range folds - 1 {
		again, v := tr.fold(events)
		if v != nil {
			return v
		}
		if d := diff(once, again); d != "" {
			return broken(lawSame, "look for a clock, a random source, a variable of the package, or a range over a map\n-once +again:\n%s", d)
		}
	}
	return nil
}

// elsewhen runs f at times of other years, in all quarters, on all days of the
// week and in both halves of the day. It does nothing where that cannot be: outside of a test, and within a
// bubble of testing/synctest.
func elsewhen(t testing.TB, f func()) {
	real, ok := t.(*testing.T)
	if !ok {
		return
	}
	_ = recovered(func() {
		synctest.Test(real, func(*testing.T) {
			f() // at midnight of 2000-01-01 UTC, where a bubble begins
			for _, at := range []time.Time{
				time.Date(2000, 4, 3, 6, 7, 8, 1_000_001, time.UTC),
				time.Date(2004, 2, 29, 13, 14, 15, 222_222_222, time.UTC),
				time.Date(2010, 7, 9, 19, 20, 21, 333_333_333, time.UTC),
				time.Date(2037, 10, 28, 23, 59, 58, 444_444_444, time.UTC),
				time.Date(2100, 12, 14, 12, 0, 0, 0, time.UTC),
				time.Date(2250, 5, 23, 3, 4, 5, 555_555_555, time.UTC),
			} {
				time.Sleep(time.Until(at))
				f()
			}
		})
	})
}

// fold applies events to a new state.
func (tr *trial[S, E, A]) fold(events []E) (state S, v *violation) {
	for i, event := range events {
		if v := tr.apply(event, &state, i); v != nil {
			return state, v
		}
	}
	return state, nil
}

func (tr *trial[S, E, A]) apply(event E, state *S, i int) *violation {
	if panicked := recovered(func() { event.Apply(state) }); panicked != "" {
		return broken(lawApplies, "Apply of event %d, %s, panics: %s", i+1, printer{}.literal(event), panicked)
	}
	return nil
}

// decoded returns the stored events, as from a store.
func (tr *trial[S, E, A]) decoded() ([]E, *violation) {
	events := make([]E, len(tr.events))
	for i, e := range tr.events {
		event, err := tr.decode(e)
		if err != nil {
			return nil, broken(lawStored, "event %d cannot be read: %v", i+1, err)
		}
		events[i] = event
	}
	return events, nil
}

// roomy returns the stored events with room behind each slice, where an append
// to a slice of an event leaves its trace, and their fingerprints.
func (tr *trial[S, E, A]) roomy() (events []E, fingerprints []string, v *violation) {
	events, v = tr.decoded()
	if v != nil {
		return nil, nil, v
	}
	fingerprints = make([]string, len(events))
	for i := range events {
		events[i] = withRoom(events[i])
		fingerprints[i] = fingerprint(events[i])
	}
	return events, fingerprints, nil
}

// written finds the Apply that changed an event.
func (tr *trial[S, E, A]) written() *violation {
	events, was, v := tr.roomy()
	if v != nil {
		return v
	}
	var state S
	for i, event := range events {
		if v := tr.apply(event, &state, i); v != nil {
			return v
		}
		for j := range events[:i+1] {
			is := fingerprint(events[j])
			switch {
			case is == was[j]:
			case i == j:
				return broken(lawPure, "Apply of event %d, %s, has changed it (behind | is the room of a slice that an append filled)\n-before +after:\n%s", i+1, tr.events[i].Type, changes(was[j], is))
			default:
				return broken(lawAlias, "Apply of event %d, %s, has changed event %d, %s, whose Apply let the state keep a slice, map or pointer of the event; keep a copy, by slices.Clone or maps.Clone (behind | is the room of a slice that an append filled)\n-before +after:\n%s",
					i+1, tr.events[i].Type, j+1, tr.events[j].Type, changes(was[j], is))
			}
		}
	}
	return broken(lawSame, "an event is changed by some folds and not by others")
}
