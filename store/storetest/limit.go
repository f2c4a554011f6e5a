package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// refusals are arguments of Append that the contract refuses, each for one
// reason.
var refusals = []struct {
	reason   string
	stream   store.Stream
	expected store.Expected
	events   []store.Event
}{
	{"no category", store.Stream{ID: "1"}, store.Any, events("a", 1)},
	{"a dot in the category", store.Stream{Category: "a.b", ID: "1"}, store.Any, events("a", 1)},
	{"a category too long", store.Stream{Category: strings.Repeat("c", store.MaxName+1), ID: "1"}, store.Any, events("a", 1)},
	{"no stream id", store.Stream{Category: "product"}, store.Any, events("a", 1)},
	{"a stream id too long", store.Stream{Category: "product", ID: strings.Repeat("i", store.MaxID+1)}, store.Any, events("a", 1)},
	{"a NUL in the stream id", store.Stream{Category: "product", ID: "a\x00b"}, store.Any, events("a", 1)},
	{"a line break in the stream id", store.Stream{Category: "product", ID: "a\nb"}, store.Any, events("a", 1)},
	{"broken UTF-8 in the stream id", store.Stream{Category: "product", ID: "a\xffb"}, store.Any, events("a", 1)},
	{"an expected version below Any", product, store.At(-2), events("a", 1)},
	{"an expected event of no version", product, store.After(0, "id-a-1"), events("a", 1)},
	{"an expected event of any version", product, store.Expected{Version: -1, EventID: "id-a-1"}, events("a", 1)},
	{"no events", product, store.Any, nil},
	{"too many events", product, store.Any, make([]store.Event, store.MaxEvents+1)},
	{"no event id", product, store.Any, broken(func(e *store.Event) { e.ID = "" })},
	{"no type", product, store.Any, broken(func(e *store.Event) { e.Type = "" })},
	{"no content type", product, store.Any, broken(func(e *store.Event) { e.ContentType = "" })},
	{"a type too long", product, store.Any, broken(func(e *store.Event) { e.Type = strings.Repeat("t", store.MaxName+1) })},
	{"too much data in all", product, store.Any, slices.Repeat([]store.Event{{ID: "e", Type: "t", ContentType: "c", Data: make([]byte, store.MaxData), Time: noon}}, store.MaxAppend/store.MaxData+1)},
	{"too much data", product, store.Any, broken(func(e *store.Event) { e.Data = make([]byte, store.MaxData+1) })},
	{"a time out of range", product, store.Any, broken(func(e *store.Event) { e.Time = time.Time{} })},
	{"a NUL in the metadata", product, store.Any, broken(func(e *store.Event) { e.Metadata.Actor = "\x00" })},
	{"a metadata field without a name", product, store.Any, broken(func(e *store.Event) { e.Metadata.Fields = map[string]string{"": "v"} })},
	{"a metadata value too long", product, store.Any, broken(func(e *store.Event) { e.Metadata.Actor = strings.Repeat("v", 4<<10+1) })},
	{"a byte of metadata too many", product, store.Any, broken(func(e *store.Event) {
		e.Metadata = largestMetadata()
		e.Metadata.Actor = "a"
	})},
	{"too many metadata fields", product, store.Any, broken(func(e *store.Event) {
		e.Metadata.Fields = make(map[string]string)
		for i := range store.MaxMetadata / 8 {
			e.Metadata.Fields[fmt.Sprint(i)] = ""
		}
	})},
}

// largestMetadata returns metadata of MaxMetadata bytes.
func largestMetadata() store.Metadata {
	half := strings.Repeat("v", store.MaxMetadata/2-len("k")-8)
	return store.Metadata{Fields: map[string]string{"k": half, "l": half}}
}

// broken returns three events, the middle one of which f has spoilt.
func broken(f func(*store.Event)) []store.Event {
	all := events("broken", 3)
	f(&all[1])
	return all
}

func limitClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"what Check refuses is refused, and nothing is written", func(t *testing.T, b subject[Tx]) {
			for _, r := range refusals {
				t.Run(r.reason, func(t *testing.T) {
					_, err := b.Append(t.Context(), r.stream, r.expected, r.events)
					mustInvalid(t, err)
					mustHoldOnly(t, b)
				})
			}
			mustAppend(t, b, product, store.NoStream, event("after"))
		}},
		{"a stream that Check refuses cannot be read", func(t *testing.T, b subject[Tx]) {
			for _, s := range []store.Stream{{}, {Category: "product"}, {Category: "a b", ID: "1"}, {Category: "product", ID: "a\x00"}} {
				_, err := b.Read(t.Context(), s, 0, 10)
				mustInvalid(t, err)
				if b.Snapshots != nil {
					_, _, err = b.ReadSnapshot(t.Context(), s, 1, 10)
					mustInvalid(t, err)
				}
			}
		}},
		{"an append of MaxEvents and of MaxAppend bytes is stored whole", func(t *testing.T, b subject[Tx]) {
			const large = store.MaxAppend/store.MaxData - 1 // events of MaxData; the others share the rest
			all := events("many", store.MaxEvents)
			for i := range all {
				size := store.MaxData / (store.MaxEvents - large)
				if i < large {
					size = store.MaxData
				} else if i == large {
					size += store.MaxData % (store.MaxEvents - large)
				}
				all[i].Data = bytes.Repeat([]byte{byte(i)}, size)
			}
			equal(t, "version", mustAppend(t, b, product, store.NoStream, all...), store.MaxEvents)
			const limit = 1000
			for after := 0; after < len(all); after += limit {
				got, err := b.Read(t.Context(), product, int64(after), limit)
				if err != nil || len(got) != limit {
					t.Fatalf("read after version %d: %d messages, error %v", after, len(got), err)
				}
				for i, m := range got {
					if e := all[after+i]; m.Version != int64(after+i)+1 || m.ID != e.ID || !bytes.Equal(m.Data, e.Data) {
						t.Fatalf("version %d is event %s, version %d, with %d bytes", after+i+1, m.ID, m.Version, len(m.Data))
					}
				}
			}
			if b.Outbox != nil {
				equal(t, "messages in the outbox", len(mustUnpublished(t, b)), store.MaxEvents)
			}
		}},
		{"the largest event is stored whole", func(t *testing.T, b subject[Tx]) {
			e := event("large")
			e.ID, e.Type, e.ContentType = strings.Repeat("i", store.MaxName), strings.Repeat("t", store.MaxName), strings.Repeat("c", store.MaxName)
			e.Data = make([]byte, store.MaxData)
			for i := range e.Data {
				e.Data[i] = byte(i)
			}
			e.Metadata = largestMetadata()
			s := store.Stream{Category: strings.Repeat("c", store.MaxName), ID: strings.Repeat("i", store.MaxID)}
			mustAppend(t, b, s, store.NoStream, e)
			equalMessages(t, "stream", mustRead(t, b, s), page(s, 0, []store.Event{e}))
		}},
		{"an event without data and metadata is stored as it is", func(t *testing.T, b subject[Tx]) {
			e := store.Event{ID: "1", Type: "t", ContentType: "c", Time: noon}
			mustAppend(t, b, product, store.NoStream, e)
			equalMessages(t, "stream", mustRead(t, b, product), page(product, 0, []store.Event{e}))
		}},
		{"metadata and data of any text and bytes come back unchanged", func(t *testing.T, b subject[Tx]) {
			e := event("odd")
			e.Data = []byte{0, 1, 0xff, '\'', '"', 0}
			e.ID, e.Type, e.ContentType = `a'b"c`, "тип 🛒", `text/plain; x="\u0000"`
			e.Metadata.Actor = `<&>'";--\`
			e.Metadata.Fields = map[string]string{"é": "e\u0301", "\u2028": "\U0001F469\u200D\U0001F680", "empty": "", `"`: `\u0041`}
			mustAppend(t, b, product, store.NoStream, e)
			equalMessages(t, "stream", mustRead(t, b, product), page(product, 0, []store.Event{e}))
		}},
		{"times come back in UTC, cut to the microsecond", func(t *testing.T, b subject[Tx]) {
			var batch []store.Event
			for _, at := range []time.Time{
				noon, time.Unix(0, 0), time.Unix(0, 999), time.Unix(1, 999_999_999),
				time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
			} {
				e := event("time")
				e.Time = at
				batch = append(batch, e)
			}
			mustAppend(t, b, product, store.NoStream, batch...)
			for i, m := range mustRead(t, b, product) {
				equal(t, "time", m.Time, batch[i].Time.UTC().Truncate(time.Microsecond))
			}
		}},
	}
}
