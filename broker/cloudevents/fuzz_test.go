package cloudevents_test

import (
	"errors"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

// Whatever the headers say, Decode returns one of its two errors or an event
// that survives another trip.
func FuzzDecode(f *testing.F) {
	f.Add("1.0", "id", "t", "3", "7", "2026-03-01T12:30:00Z", "p-1", `{"a":"b"}`, "00-1", []byte("x"))
	f.Add("1", `"`, "%", "-1", "", "2026-03-01T12:30:60Z", "%ff", `{"traceparent":null}`, `"\`, []byte(nil))
	f.Fuzz(func(t *testing.T, spec, id, typ, version, position, at, subject, fields, trace string, data []byte) {
		got, err := cloudevents.Decode(broker.Message{
			ID: id, Topic: "topic", Data: data,
			Header: map[string]string{
				"ce-specversion": spec, "ce-id": id, "ce-type": typ, "ce-source": "/f",
				"ce-streamversion": version, "ce-position": position, "ce-time": at,
				"ce-subject": subject, "ce-fields": fields, "ce-traceparent": trace,
				"ce-actor": trace, "traceparent": typ, "ce-history": subject, "ce-previous": trace,
			},
		})
		var header *cloudevents.HeaderError
		switch {
		case err == nil && got.Version > 0 && !got.Time.IsZero():
			roundTrip(t, got)
		case err == nil: // no event of a store
		case !errors.As(err, &header) && !errors.Is(err, store.ErrInvalid):
			t.Fatalf("got an error of neither kind: %v", err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("id", "p-1", "actor", "traceparent", "", int64(1), []byte("x"))
	f.Add(`"`, "%20 €", "", "k", `\u2028 </script>`, int64(7), []byte{0, 255})
	f.Fuzz(func(t *testing.T, id, stream, actor, key, value string, n int64, data []byte) {
		m := cloudevents.Event{Source: "/f", History: "h 1", Previous: id, Message: store.Message{
			Event: store.Event{
				ID: id, Type: id, ContentType: "text/plain; charset=\"utf-8\"", Data: data,
				Time:     time.UnixMicro(n),
				Metadata: store.Metadata{Actor: actor, Fields: map[string]string{key: value}},
			},
			Stream:   store.Stream{Category: "topic", ID: stream},
			Version:  max(n, 1),
			Position: max(n, 0),
		}}
		if store.CheckAppend(m.Stream, store.Any, []store.Event{m.Event}) == nil {
			roundTrip(t, m)
		}
	})
}
