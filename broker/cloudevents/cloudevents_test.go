package cloudevents_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

var sample = cloudevents.Event{Source: "/shop", History: "9b2e0f8e-35a9-4d0c-8a3b-2f7d10a8c7de", Previous: "e 2", Message: store.Message{
	Event: store.Event{
		ID:          "01931c5e-7d6a-7c32-b1f4-000000000001",
		Type:        "product.repriced",
		ContentType: "application/json",
		Data:        []byte(`{"price":5}`),
		Time:        time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.UTC),
		Metadata: store.Metadata{
			CorrelationID: "request 7",
			CausationID:   "cmd-1",
			Actor:         "Łukasz \"Luke\" 100%",
			Fields: map[string]string{
				"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
				"tenant":      "a<b",
			},
		},
	},
	Stream:   store.Stream{Category: "product", ID: "Euro € 😀"},
	Version:  3,
	Position: 4711,
}}

// The whole wire form, as other languages see it. It is a promise: what is
// published today is read for years.
func TestWireFormat(t *testing.T) {
	want := broker.Message{
		ID:    "01931c5e-7d6a-7c32-b1f4-000000000001",
		Topic: "product",
		Key:   "Euro € 😀",
		Header: map[string]string{
			"ce-specversion":     "1.0",
			"ce-id":              "01931c5e-7d6a-7c32-b1f4-000000000001",
			"ce-type":            "product.repriced",
			"ce-source":          "/shop",
			"ce-time":            "2026-03-01T12:30:00.123456Z",
			"ce-subject":         "Euro%20%E2%82%AC%20%F0%9F%98%80", // the binding's own example
			"ce-datacontenttype": "application/json",
			"ce-streamversion":   "3",
			"ce-position":        "4711",
			"ce-history":         "9b2e0f8e-35a9-4d0c-8a3b-2f7d10a8c7de",
			"ce-previous":        "e%202",
			"ce-correlationid":   "request%207",
			"ce-causationid":     "cmd-1",
			"ce-actor":           "%C5%81ukasz%20%22Luke%22%20100%25",
			"ce-traceparent":     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			"traceparent":        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			"ce-fields":          "{%22tenant%22:%22a<b%22}",
		},
		Data: []byte(`{"price":5}`),
	}
	if diff := cmp.Diff(want, cloudevents.Encode(sample)); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeLeavesTheEventAlone(t *testing.T) {
	before := maps.Clone(sample.Metadata.Fields)
	cloudevents.Encode(sample)
	if diff := cmp.Diff(before, sample.Metadata.Fields); diff != "" {
		t.Error(diff)
	}
}

// Every event that a store accepts arrives as it was, in headers that a broker
// accepts.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := messages().Draw(t, "message")
		if err := store.CheckAppend(want.Stream, store.Any, []store.Event{want.Event}); err != nil {
			t.Skip(err)
		}
		roundTrip(t, want)
	})
}

func roundTrip(t rapid.TB, want cloudevents.Event) {
	t.Helper()
	wire := cloudevents.Encode(want)
	if err := wire.Check(); err != nil {
		t.Fatal(err)
	}
	got, err := cloudevents.Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	// Stores keep times so, and tell no empty map or slice from none.
	want.Time = want.Time.UTC().Truncate(time.Microsecond)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}

func messages() *rapid.Generator[cloudevents.Event] {
	text := rapid.OneOf(
		rapid.StringN(1, 40, 120),
		rapid.StringMatching(`[%"\\ .*>/a€😀]{1,20}`),
	)
	optional := rapid.OneOf(rapid.Just(""), text)
	key := rapid.OneOf(rapid.Just("traceparent"), text)
	name := text.Filter(func(s string) bool { return store.CheckName("name", s) == nil })
	optionalName := rapid.OneOf(rapid.Just(""), name)
	return rapid.Custom(func(t *rapid.T) cloudevents.Event {
		return cloudevents.Event{Source: name.Draw(t, "source"), History: optionalName.Draw(t, "history"), Previous: optionalName.Draw(t, "previous"), Message: store.Message{
			Event: store.Event{
				ID:          text.Draw(t, "id"),
				Type:        text.Draw(t, "type"),
				ContentType: text.Draw(t, "content type"),
				Data:        rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
				Time: time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(t, "time")).
					In(time.FixedZone("", rapid.IntRange(-12, 12).Draw(t, "zone")*3600)),
				Metadata: store.Metadata{
					CorrelationID: optional.Draw(t, "correlation"),
					CausationID:   optional.Draw(t, "causation"),
					Actor:         optional.Draw(t, "actor"),
					Fields:        rapid.MapOfN(key, optional, 0, 5).Draw(t, "fields"),
				},
			},
			Stream: store.Stream{
				Category: rapid.StringMatching(`[a-zA-Z0-9_-]{1,20}`).Draw(t, "category"),
				ID:       text.Draw(t, "stream"),
			},
			Version:  rapid.Int64Min(1).Draw(t, "version"),
			Position: rapid.Int64Min(0).Draw(t, "position"),
		}}
	})
}

func TestDecodeNamesTheHeader(t *testing.T) {
	for _, c := range []struct{ name, header, value, reason string }{
		{"missing", "ce-specversion", "", "is missing"},
		{"missing", "ce-id", "", "is missing"},
		{"missing", "ce-type", "", "is missing"},
		{"missing", "ce-source", "", "is missing"},
		{"missing beside a version", "ce-subject", "", "is missing"},
		{"another major version", "ce-specversion", "2.0", "want 1.0"},
		{"a batch of events", "content-type", "application/cloudevents-batch+json", "want binary mode or"},
		{"not a number", "ce-streamversion", "three", "want an integer of at least 1"},
		{"version zero", "ce-streamversion", "0", "want an integer of at least 1"},
		{"a number too large", "ce-streamversion", "9223372036854775808", "want an integer"},
		{"a position below zero", "ce-position", "-1", "want an integer of at least 0"},
		{"not a time", "ce-time", "yesterday", "RFC 3339"},
		{"an overlong space", "ce-subject", "%C0%A0", "not valid UTF-8"},
		{"raw bytes", "ce-subject", "\xff", "not valid UTF-8"},
		{"a control character", "ce-id", "a%00b", "control character U+0000"},
		{"an open quote", "ce-actor", `"a`, "no closing quote"},
		{"an open escape", "ce-actor", `"a\`, "no closing quote"},
		{"text after a quote", "ce-actor", `"a"b`, "after the closing quote"},
		{"no JSON", "ce-fields", "{", "is not JSON"},
		{"JSON of another shape", "ce-fields", "[1]", "not a JSON object of strings"},
	} {
		t.Run(c.header+": "+c.name, func(t *testing.T) {
			m := cloudevents.Encode(sample)
			m.Header[c.header] = c.value
			_, err := cloudevents.Decode(m)
			var broken *cloudevents.HeaderError
			if !errors.As(err, &broken) {
				t.Fatalf("got %v, want a HeaderError", err)
			}
			if broken.Header != c.header || broken.ID != sample.ID || !strings.Contains(broken.Reason, c.reason) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDecodeRefusesWhatAStoreRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*broker.Message){
		"a foreign topic":        func(m *broker.Message) { m.Topic = "a.b" },
		"a stream id too long":   func(m *broker.Message) { m.Header["ce-subject"] = strings.Repeat("x", store.MaxID+1) },
		"a time before 1970":     func(m *broker.Message) { m.Header["ce-time"] = "1969-01-01T00:00:00Z" },
		"a field without a name": func(m *broker.Message) { m.Header["ce-fields"] = `{"":"x"}` },
		"too much data":          func(m *broker.Message) { m.Data = make([]byte, store.MaxData+1) },
	} {
		t.Run(name, func(t *testing.T) {
			m := cloudevents.Encode(sample)
			spoil(&m)
			if _, err := cloudevents.Decode(m); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("got %v, want %v", err, store.ErrInvalid)
			}
		})
	}
}

func TestDecodeReadsForeignProducers(t *testing.T) {
	got, err := cloudevents.Decode(broker.Message{
		Topic: "order",
		Header: map[string]string{
			"Ce-Specversion":   "1.0",
			"CE-ID":            "%41-1", // encoded without need
			"ce-type":          `"order placed \"now\""`,
			"ce-source":        "/erp",
			"ce-time":          "2026-03-01T13:30:00.1234567+01:00",
			"ce-subject":       "%c3%a4",
			"ce-streamversion": "1",
			"ce-unknown":       "%",
			"traceparent":      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := cloudevents.Event{Source: "/erp", Message: store.Message{
		Event: store.Event{
			ID:          "A-1",
			Type:        `order placed "now"`,
			ContentType: "application/json",
			Time:        time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.UTC),
			Metadata: store.Metadata{Fields: map[string]string{
				"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			}},
		},
		Stream:  store.Stream{Category: "order", ID: "ä"},
		Version: 1,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Times are legal in more forms than Go parses, and year 1 stands for none.
func TestDecodeReadsTimesOfOthers(t *testing.T) {
	for value, want := range map[string]time.Time{
		"2026-01-02t03:04:05z":              time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"2026-01-02T03:04:05.1234567+00:00": time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC),
		"2016-12-31T23:59:60Z":              time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"0001-01-01T00:00:00Z":              {},
		"":                                  {},
	} {
		m := cloudevents.Encode(sample)
		m.Header["ce-time"] = value
		if got, err := cloudevents.Decode(m); err != nil || !got.Time.Equal(want) {
			t.Errorf("%q: got %v, %v", value, got.Time, err)
		}
	}
}

func TestDecodeReadsValuesOfOthers(t *testing.T) {
	for value, want := range map[string]string{
		"a%20b":         "a b",
		"a b":           "a b",
		"lämp":          "lämp",
		"100%":          "100%", // SDKs that do not escape
		"5%-10%g%2":     "5%-10%g%2",
		`"a \"b\""`:     `a "b"`,
		"l%c3%a4mp":     "lämp",
		"caf%C3%A9 50%": "café 50%",
	} {
		m := cloudevents.Encode(sample)
		m.Header["ce-subject"] = value
		if got, err := cloudevents.Decode(m); err != nil || got.Stream.ID != want {
			t.Errorf("%q: got %q, %v", value, got.Stream.ID, err)
		}
	}
}

func TestDecodeNeedsNoMoreThanCloudEventsDoes(t *testing.T) {
	got, err := cloudevents.Decode(broker.Message{Topic: "order", Header: map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "ce-type": "order.placed", "ce-source": "/erp",
	}})
	want := cloudevents.Event{Source: "/erp", Message: store.Message{
		Event: store.Event{ID: "1", Type: "order.placed", ContentType: "application/json"}, Stream: store.Stream{Category: "order"},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestDecodeReadsTheChain(t *testing.T) {
	m := cloudevents.Encode(sample)
	m.Header["ce-history"], m.Header["ce-previous"] = "h%201", "p-1"
	if got, err := cloudevents.Decode(m); err != nil || got.History != "h 1" || got.Previous != "p-1" || got.Source != "/shop" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeReadsStructuredMode(t *testing.T) {
	attributes := `"specversion": "1.0", "id": "1%20", "type": "order.placed", "source": "/erp", "subject": "o-1", "streamversion": 3, "previous": "0"`
	for name, c := range map[string]struct{ more, contentType, data string }{
		"JSON":           {`"data": {"n": 1}`, "application/json", `{"n": 1}`},
		"JSON by suffix": {`"datacontenttype": "application/vnd.erp+json", "data": [1]`, "application/vnd.erp+json", `[1]`},
		"text":           {`"datacontenttype": "text/plain", "data": "a\nb"`, "text/plain", "a\nb"},
		"bytes":          {`"datacontenttype": "image/x", "data_base64": "AAE="`, "image/x", "\x00\x01"},
		"nothing":        {`"time": null`, "application/json", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cloudevents.Decode(broker.Message{Topic: "order",
				Header: map[string]string{"Content-Type": "application/CloudEvents+json; charset=UTF-8"},
				Data:   []byte("{" + attributes + ", " + c.more + "}"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != "1%20" || got.Stream.ID != "o-1" || got.Version != 3 || got.Previous != "0" || got.ContentType != c.contentType || string(got.Data) != c.data {
				t.Errorf("got %+v", got)
			}
		})
	}
	for name, body := range map[string]string{
		"no JSON":                        `[`,
		"an attribute that is an object": `{"specversion": "1.0", "id": {}, "type": "t", "source": "s"}`,
		"a control character":            `{"specversion": "1.0", "id": "a\u0000", "type": "t", "source": "s"}`,
		"no id":                          `{"specversion": "1.0", "type": "t", "source": "s"}`,
		"no base64":                      `{"specversion": "1.0", "id": "1", "type": "t", "source": "s", "data_base64": "?"}`,
	} {
		_, err := cloudevents.Decode(broker.Message{Topic: "order", Header: map[string]string{"content-type": "application/cloudevents+json"}, Data: []byte(body)})
		var broken *cloudevents.HeaderError
		if !errors.As(err, &broken) {
			t.Errorf("%s: got %v, want a HeaderError", name, err)
		}
	}
}

// A tracer on the way replaces traceparent; the event still tells of its origin.
func TestTheProducersTraceWins(t *testing.T) {
	m := cloudevents.Encode(sample)
	m.Header["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got, err := cloudevents.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	if got.Metadata.Fields["traceparent"] != sample.Metadata.Fields["traceparent"] {
		t.Errorf("got %v", got.Metadata.Fields)
	}
}
