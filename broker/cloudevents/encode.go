package cloudevents

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/store"
)

// Encode maps an event that a store gave back to a message of the broker. The
// message's ID is the event's, its Topic the category, its Key the stream's id.
// Data is shared, not copied.
func Encode(m Event) broker.Message {
	header := map[string]string{
		specVersion:   "1.0",
		id:            escape(m.ID),
		eventType:     escape(m.Type),
		source:        escape(m.Source),
		eventTime:     m.Time.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano),
		subject:       escape(m.Stream.ID),
		contentType:   escape(m.ContentType),
		streamVersion: strconv.FormatInt(m.Version, 10),
		position:      strconv.FormatInt(m.Position, 10),
	}
	optional(header, history, m.History)
	optional(header, previous, m.Previous)
	encodeMetadata(header, m.Metadata)
	return broker.Message{
		ID:     m.ID,
		Topic:  m.Stream.Category,
		Key:    m.Stream.ID,
		Header: header,
		Data:   m.Data,
	}
}

// optional leaves out what is empty: CloudEvents has no empty attributes, and
// absent is the same.
func optional(header map[string]string, name, value string) {
	if value != "" {
		header[name] = escape(value)
	}
}

func encodeMetadata(header map[string]string, md store.Metadata) {
	optional(header, correlationID, md.CorrelationID)
	optional(header, causationID, md.CausationID)
	optional(header, actor, md.Actor)

	rest := md.Fields
	if trace := rest[traceField]; trace != "" {
		optional(header, traceParent, trace)
		optional(header, w3cTraceParent, trace)
		rest = maps.Clone(rest)
		delete(rest, traceField)
	}
	if len(rest) > 0 {
		header[fields] = escape(encodeFields(rest))
	}
}

func encodeFields(f map[string]string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	// Escapes meant for web pages would triple the size of some values.
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		panic(err) // strings always encode
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
