package eventustest

import (
	"reflect"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// seen is where a value of a field was recorded. The event is kept as it is
// stored, so that each who asks gets a value of its own.
type seen struct {
	event store.Event
	path  string
	value string // its fingerprint
}

// pool has values that commands recorded, a few of each field, and of each type
// that is neither a number nor a container: an Apply is tried with those first,
// because they make sense.
type pool struct {
	fields map[fieldName]*drawer
	types  map[reflect.Type]*drawer
}

func newPool() *pool {
	return &pool{fields: make(map[fieldName]*drawer), types: make(map[reflect.Type]*drawer)}
}

// drawer has the first values, and the least and the greatest number, which an
// Apply that compares needs.
type drawer struct {
	first           []seen
	least, greatest *bound
}

type bound struct {
	seen
	number float64
}

const drawerSize = 12

func (d *drawer) put(event store.Event, p part) {
	if n, ok := numberOf(p); ok {
		if d.least == nil || n < d.least.number {
			d.least = &bound{seen{event, p.path, fingerprintOf(p.v)}, n}
		}
		if d.greatest == nil || n > d.greatest.number {
			d.greatest = &bound{seen{event, p.path, fingerprintOf(p.v)}, n}
		}
	}
	if len(d.first) == drawerSize {
		return
	}
	value := fingerprintOf(p.v)
	if !slices.ContainsFunc(d.first, func(s seen) bool { return s.value == value }) {
		d.first = append(d.first, seen{event, p.path, value})
	}
}

// values returns what was seen, without those that are the value already.
func (d *drawer) values(except string) []seen {
	if d == nil {
		return nil
	}
	all := d.first
	for _, b := range []*bound{d.least, d.greatest} {
		if b != nil && !slices.ContainsFunc(all, func(s seen) bool { return s.value == b.value }) {
			all = append(slices.Clip(all), b.seen)
		}
	}
	var others []seen
	for _, s := range all {
		if s.value != except {
			others = append(others, s)
		}
	}
	return others
}

// numberOf returns what values of a field are compared by: a number itself, and
// the length of a text.
func numberOf(p part) (float64, bool) {
	switch {
	case p.second:
	case p.v.CanInt():
		return float64(p.v.Int()), true
	case p.v.CanUint():
		return float64(p.v.Uint()), true
	case p.v.CanFloat():
		return p.v.Float(), true
	case p.v.Kind() == reflect.String:
		return float64(p.v.Len()), true
	}
	return 0, false
}

// put notes the values of an event.
func (p *pool) put(event store.Event, v reflect.Value) {
	parts(v, func(of part) {
		drawerOf(p.fields, fieldName{event.Type, of.path}).put(event, of)
		if t := of.v.Type(); !of.second && shared(t) {
			drawerOf(p.types, t).put(event, of)
		}
	})
}

// shared reports whether a value of one field makes sense in another of its
// type. A number does not: a price is no number of repetitions.
func shared(t reflect.Type) bool { return opaque(t) || t.Kind() == reflect.String }

func drawerOf[K comparable](drawers map[K]*drawer, key K) *drawer {
	d := drawers[key]
	if d == nil {
		d = new(drawer)
		drawers[key] = d
	}
	return d
}

// others returns the values for a part of an event that differ from its own.
func (p *pool) others(event string, of part) []seen {
	own := fingerprintOf(of.v)
	all := p.fields[fieldName{event, of.path}].values(own)
	if t := of.v.Type(); !of.second && shared(t) {
		all = append(all, p.types[t].values(own)...)
	}
	return all
}
