package store_test

import (
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func TestAChecksumIsOfAllThatCarriesAnEvent(t *testing.T) {
	fresh := func() store.Message {
		return store.Message{Stream: store.Stream{Category: "product", ID: "p-1"}, Version: 3, Position: 7, Event: store.Event{
			ID: "e", Type: "t", ContentType: "c", Data: []byte("data"), Time: time.Unix(1000, 5000),
			Metadata: store.Metadata{CorrelationID: "1", CausationID: "2", Actor: "3", Fields: map[string]string{"a": "b", "c": "d"}},
		}}
	}
	sum := func(m store.Message) int32 { return store.Checksum(m.Stream, m.Version, &m.Event) }
	want := sum(fresh())
	if want == 0 {
		t.Fatalf("a checksum of %x", want)
	}
	seen := map[int32]string{want: "nothing"}
	for name, change := range map[string]func(m *store.Message){
		"category":               func(m *store.Message) { m.Stream.Category = "producs" },
		"id":                     func(m *store.Message) { m.Stream.ID = "p-2" },
		"border of category, id": func(m *store.Message) { m.Stream = store.Stream{Category: "productp", ID: "-1"} },
		"version":                func(m *store.Message) { m.Version = 4 },
		"event id":               func(m *store.Message) { m.ID = "f" },
		"type":                   func(m *store.Message) { m.Type = "s" },
		"content type":           func(m *store.Message) { m.ContentType = "d" },
		"data":                   func(m *store.Message) { m.Data = []byte("dbta") },
		"length of data":         func(m *store.Message) { m.Data = append(m.Data, 0) },
		"time":                   func(m *store.Message) { m.Time = m.Time.Add(time.Microsecond) },
		"correlation id":         func(m *store.Message) { m.Metadata.CorrelationID = "" },
		"causation id":           func(m *store.Message) { m.Metadata.CausationID = "3" },
		"actor":                  func(m *store.Message) { m.Metadata.Actor = "2" },
		"name of a field":        func(m *store.Message) { m.Metadata.Fields = map[string]string{"a": "b", "d": "d"} },
		"value of a field":       func(m *store.Message) { m.Metadata.Fields["a"] = "d" },
		"a field less":           func(m *store.Message) { delete(m.Metadata.Fields, "a") },
	} {
		m := fresh()
		change(&m)
		if other, ok := seen[sum(m)]; ok {
			t.Errorf("a change of %s gives the checksum of %s", name, other)
		}
		seen[sum(m)] = name
		if err := store.Verify(&m, want); err == nil {
			t.Errorf("a change of %s is not found", name)
		}
	}
	same := fresh()
	same.Time, same.Position = same.Time.Add(999*time.Nanosecond).UTC(), 8
	if err := store.Verify(&same, want); err != nil {
		t.Errorf("what no store keeps changes the checksum: %v", err)
	}
	m := fresh()
	if store.Checksum(m.Stream, 0, &m.Event)^3 != want {
		t.Error("the checksum of version 0 is not the one to combine with a version")
	}
	// What is stored must be found to be whole by all later programs.
	if want != goldenChecksum {
		t.Errorf("the checksum is %d", want)
	}
}

const goldenChecksum = 1272794830

func BenchmarkChecksum(b *testing.B) {
	s := store.Stream{Category: "product", ID: "0198c1f2-7a5b-7cc1-9d3e-2f6a1b8c4d5e"}
	e := store.Event{ID: "0198c1f2-7a5b-7cc1-9d3e-2f6a1b8c4d5e", Type: "product.repriced", ContentType: "application/json", Data: make([]byte, 300), Time: time.Unix(1000, 0)}
	for b.Loop() {
		store.Checksum(s, 1, &e)
	}
}
