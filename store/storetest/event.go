package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	product = store.Stream{Category: "product", ID: "p-1"}
	other   = store.Stream{Category: "product", ID: "p-2"}

	// noon has nanoseconds and a zone, which no store keeps.
	noon = time.Date(2024, 2, 29, 12, 30, 15, 123456789, time.FixedZone("UTC+3", 3*60*60))
)

// event returns an event that uses every field. Events of one name are equal.
func event(name string) store.Event {
	return store.Event{
		ID:          "id-" + name,
		Type:        "product.renamed",
		ContentType: "application/json",
		Data:        []byte(`{"name":"` + name + `"}`),
		Time:        noon,
		Metadata: store.Metadata{
			CorrelationID: "request-" + name,
			CausationID:   "command-" + name,
			Actor:         "someone@example.com",
			Fields:        map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		},
	}
}

// events returns n events that start with the given name.
func events(name string, n int) []store.Event {
	all := make([]store.Event, n)
	for i := range all {
		all[i] = event(fmt.Sprintf("%s-%d", name, i+1))
	}
	return all
}

// stored returns e as a store gives it back, without its position.
func stored(s store.Stream, version int64, e store.Event) store.Message {
	e.Time = time.UnixMicro(e.Time.UnixMicro()).UTC()
	return store.Message{Event: e, Stream: s, Version: version}
}

// page returns what a read of s after the given version gives for events,
// without positions.
func page(s store.Stream, after int64, all []store.Event) []store.Message {
	var want []store.Message
	for i, e := range all {
		want = append(want, stored(s, after+int64(i)+1, e))
	}
	return want
}

// equal compares what came out of a store with what should have. Empty and nil
// are one, a time must be the same instant in UTC.
func equal[T any](t tester, what string, got, want T, options ...cmp.Option) {
	t.Helper()
	if diff := diff(got, want, options...); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func diff[T any](got, want T, options ...cmp.Option) string {
	if reflect.DeepEqual(got, want) {
		return "" // most comparisons end here; cmp takes a hundred times as long
	}
	options = append(options, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b time.Time) bool {
		return a.Equal(b) && a.Location() == b.Location()
	}))
	return cmp.Diff(want, got, options...)
}

// equalMessages compares messages, positions aside.
func equalMessages(t tester, what string, got, want []store.Message) {
	t.Helper()
	got = slices.Clone(got)
	for i := range got {
		got[i].Position = 0
	}
	equal(t, what, got, want)
}

// anyOrder compares streams as sets.
var anyOrder = cmpopts.SortSlices(func(x, y store.Stream) bool { return byteOrder(x, y) < 0 })

func positions(messages []store.Message) []int64 {
	all := make([]int64, len(messages))
	for i, m := range messages {
		all[i] = m.Position
	}
	return all
}
